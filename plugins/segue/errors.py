"""The errors that a person is meant to read: one line, what was wrong and what to do."""


class SegueError(Exception):
    """Something failed in a way that its message explains; the CLI exits with 1."""


class SettingError(SegueError):
    """A setting or an argument is wrong; names it. No retry mends it; the CLI exits with 2."""


class MalformedInput(SegueError):
    """The data is not what it should be; names the file and the record. No retry mends it."""


class Fenced(SegueError):
    """A newer attempt at the same output has begun: this one must not commit."""
