"""The one error of the local cluster tool.

Every state a person can get into and out of is raised as LocalClusterError with one clear sentence;
``__main__`` prints that sentence instead of a stack trace.
"""


class LocalClusterError(Exception):
    """A foreseeable failure; its text says what is wrong and what to do about it."""
