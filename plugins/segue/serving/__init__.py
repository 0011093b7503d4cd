"""The serving bundle: one immutable folder a version, memory-mapped, and what is asked of it."""
