"""Texts of others inside of a sentence: short enough to read on, and with nothing in them that cannot be seen."""


def excerpt(text: str, most: int) -> str:
    """The text, or so many characters of its beginning; what cannot be printed is written as an escape."""
    kept = text if len(text) <= most else f"{text[:most]}…"
    if kept.isprintable():
        return kept
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in kept)
