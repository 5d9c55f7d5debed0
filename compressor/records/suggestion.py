"""The nearest known name, for messages about unknown ones."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'accuracy'?`, ready to end a message; nothing where no known name is near.

    Example:
        >>> did_you_mean("acuracy", ("accuracy", "f1"))
        "; did you mean 'accuracy'?"
    """
    near = nearest(name.lower(), known)
    return "" if near is None else f"; did you mean {near!r}?"


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that is most like a name; None where none is (`difflib` ratio below the cutoff)."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)
