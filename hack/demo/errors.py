"""The one error of the demo, raised by its steps and shown by `__main__` as a sentence."""


class DemoError(Exception):
    """The demo cannot go on, or did not come out as it should; its text says in what and what to do about it."""
