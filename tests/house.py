"""Reads the house rule off the source: who imports whom, against the order of the packages, and cycles.

No import of `compressor` itself, so that benchmarks can load this file by its path:

    layer_violations(checkout) -> ["compressor.space.cut imports compressor.score.refit: score is right of space"]
"""

import ast
from collections.abc import Iterator
from pathlib import Path

NAME = "compressor"
# A module imports from its own package or from packages to the left. `__main__` only starts the command line.
ORDER = (
    *("errors", "records", "profiles", "hub", "runtimes", "tasks", "encoder", "precision", "train", "teachers"),
    *("space", "latency", "score", "distill", "search", "export", "verification", "bench", "report", "pipeline"),
    *("gate", "api", "cli", "__main__"),
)


def modules(checkout: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of the package, packages under their own name."""
    files = sorted((checkout / NAME).rglob("*.py"))
    return {
        ".".join(file.relative_to(checkout).with_suffix("").parts).removesuffix(".__init__"): file for file in files
    }


def imports(checkout: Path) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports, at any depth of its code; a lazy import counts too."""
    known = modules(checkout)
    return {
        name: {target for wanted in _wanted(name, file) if (target := _module(wanted, known)) and target != name}
        for name, file in known.items()
    }


def unknown_packages(checkout: Path) -> list[str]:
    """Names directly below the package that the order does not know."""
    return sorted({_package(name) for name in modules(checkout)} - {"", *ORDER})


def layer_violations(checkout: Path) -> list[str]:
    """One line per import that points to the right. The root module may import `verify` lazily and is left out."""
    return [
        f"{name} imports {target}: {_package(target)} is right of {_package(name)}"
        for name, targets in sorted(imports(checkout).items())
        for target in sorted(targets)
        if name != NAME and _rank(target) > _rank(name)
    ]


def import_cycles(checkout: Path) -> list[list[str]]:
    """Groups of modules that import each other in a circle, each sorted; the root's lazy import is left out."""
    graph = {name: targets for name, targets in imports(checkout).items() if name != NAME}
    reach = {name: _reachable(name, graph) for name in graph}
    knots = {tuple(sorted(other for other in reach[name] if name in reach.get(other, ()))) for name in graph}
    return [list(knot) for knot in sorted(knots) if knot]


def _wanted(name: str, file: Path) -> Iterator[str]:
    """Dotted names that the file imports, relative ones resolved; `from a import b` gives a.b."""
    base = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _module(wanted: str, known: dict[str, Path]) -> str | None:
    """The module that holds a name: the longest part of the dotted name that is one."""
    parts = wanted.split(".")
    if parts[0] != NAME:
        return None
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in known), None)


def _package(name: str) -> str:
    return (*name.split("."), "")[1]


def _rank(name: str) -> int:
    package = _package(name)
    return ORDER.index(package) if package in ORDER else -1


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(graph.get(name, ()))
    return seen
