"""The nearest known name, for messages about unknown ones."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'accuracy'?`, ready to end a message; nothing where no known name is near.

    Example:
        >>> did_you_mean("acuracy", ("accuracy", "f1"))
        "; did you mean 'accuracy'?"
    """
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
