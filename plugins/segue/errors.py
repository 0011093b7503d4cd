"""The errors that a person is meant to read: one line, what was wrong and what to do."""


class SegueError(Exception):
    """Something failed in a way that its message explains; the CLI exits with 1."""

    exit_code = 1
    """What a job's process ends with, so that whoever started it knows whether to retry."""


class SettingError(SegueError):
    """A setting or an argument is wrong; names it. No retry mends it; the CLI exits with 2."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class MalformedInput(SegueError):
    """The data is not what it should be; names the file and the record. No retry mends it."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class Fenced(SegueError):
    """A newer attempt at the same output has begun: this one must not commit."""
