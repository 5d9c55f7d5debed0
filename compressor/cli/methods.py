"""`compressor methods`: what can be chosen by name, with source and what it needs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.api import load_pipeline
from compressor.errors import ExitCode

if TYPE_CHECKING:
    from compressor.records.method import Method


def methods(as_json: Annotated[bool, typer.Option("--json", help="Every entry as JSON.")] = False) -> int:
    """List searches, losses and blocks: what they are, their source, what they need.

    compressor methods
    """
    import json
    from dataclasses import asdict

    from compressor.report import plain_table

    found = {kind: entries() for kind, entries in _registries().items()}
    if as_json:
        plain = {kind.removeprefix("--"): [asdict(entry) for entry in entries] for kind, entries in found.items()}
        typer.echo(json.dumps(plain, indent=1, ensure_ascii=False))
        return int(ExitCode.MET)
    header = ("what", "source", "needs", "parameters")
    for kind, entries in found.items():
        cells = [(e.name, e.what, e.source, e.needs, e.parameters) for e in entries]
        typer.echo(plain_table((kind, *header), cells) + "\n")
    return int(ExitCode.MET)


def _registries() -> "dict[str, Callable[[], tuple[Method, ...]]]":
    """What lists its entries, by the flag that takes their names; blocks are what `nas-kd` mixes."""
    load_pipeline()  # says what to install where it is not
    from compressor import search
    from compressor.distill import objectives
    from compressor.encoder.describing import block_methods

    return {"--search": search.methods, "--distill": objectives.methods, "block": block_methods}
