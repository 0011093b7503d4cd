"""A stand-in for LRCLIB that speaks its protocol, faults included, on loopback.

By hand: `python -m tests.lrclib_server --help`.
"""
