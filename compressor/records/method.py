"""What can be chosen by name, for people who choose."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One entry of a registry.

    Attributes:
        name: On the command line.
        what: One line.
        source: Paper, or where else it comes from.
        needs: What it has to be given.
        parameters: `alpha 0.7, temperature 5`: what a recipe may change, and usual values; empty = nothing.
    """

    name: str
    what: str
    source: str
    needs: str
    parameters: str = ""


def first_line(thing: object) -> str:
    """Of its docstring, without the full stop at the end."""
    return (thing.__doc__ or "").strip().partition("\n")[0].removesuffix(".")
