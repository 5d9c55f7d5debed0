"""A real text task that every Python carries: of which part of the standard library does a sentence speak?

Sentences are taken from the docstrings of the library's source files, which are parsed and never imported. All
sentences of one docstring land in the same split, and a sentence that occurs more than once (but for case and
white space) is used once, or not at all if different families have it; so nothing of the evaluation is in train.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import UnavailableError

# Family -> modules and packages that it is made of.
FAMILIES: dict[str, tuple[str, ...]] = {
    "asynchronous": ("asyncio",),
    "concurrency": ("threading", "multiprocessing", "concurrent", "subprocess", "queue", "sched", "signal", "_pyio"),
    "containers": ("collections", "heapq", "bisect", "_collections_abc", "weakref", "copy", "enum", "dataclasses"),
    "dates": ("datetime", "_pydatetime", "calendar", "zoneinfo", "_strptime"),
    "debugging": (
        *("pdb", "bdb", "trace", "traceback", "logging"),
        *("cProfile", "profile", "pstats", "tracemalloc", "timeit"),
    ),
    "email": ("email", "mailbox", "smtplib", "imaplib", "poplib", "mailcap", "nntplib"),
    "files": (
        *("os", "pathlib", "shutil", "tempfile", "glob"),
        *("fileinput", "posixpath", "ntpath", "filecmp", "fnmatch"),
    ),
    "formats": (
        *("csv", "json", "configparser", "pickle", "plistlib", "tomllib"),
        *("zipfile", "tarfile", "gzip", "lzma", "bz2"),
    ),
    "graphics": ("tkinter", "turtle", "idlelib", "colorsys"),
    "internet": (
        *("http", "urllib", "ftplib", "socket", "socketserver"),
        *("ssl", "ipaddress", "xmlrpc", "cgi", "telnetlib"),
    ),
    "language": (
        *("ast", "tokenize", "dis", "inspect", "importlib"),
        *("typing", "symtable", "pickletools", "pkgutil", "runpy"),
    ),
    "markup": ("html", "xml"),
    "numbers": ("_pydecimal", "fractions", "statistics", "random", "numbers", "decimal"),
    "packaging": ("distutils", "ensurepip", "venv", "zipapp", "sysconfig", "site", "compileall", "py_compile"),
    "testing": ("unittest", "doctest"),
    "text": (
        *("re", "string", "textwrap", "difflib", "pprint", "gettext"),
        *("locale", "codecs", "optparse", "argparse", "cmd"),
    ),
}
SHORTEST, LONGEST = 5, 40  # words of a sentence
EVALUATION_SHARE = 0.25
TESTS = {"test", "tests", "idle_test"}


@dataclass(frozen=True)
class Sentence:
    """One sentence, its family, and whether it is for evaluation."""

    text: str
    family: str
    evaluation: bool


def sentences(library: Path | None = None) -> list[Sentence]:
    """All sentences of the library's docstrings, in a fixed order.

    Args:
        library: Folder of the standard library's source; None = that of the running Python.
    """
    root = Path(sysconfig.get_paths()["stdlib"]) if library is None else library
    found: dict[str, Sentence | None] = {}
    for family, names in FAMILIES.items():
        for path in _sources(root, names):
            for docstring in _docstrings(path):
                evaluation = _share(docstring) < EVALUATION_SHARE
                for text in _split(docstring):
                    key = re.sub(r"\W+", " ", text).strip().lower()
                    known = found.get(key)
                    if key not in found:
                        found[key] = Sentence(text, family, evaluation)
                    elif known is not None and known.family != family:
                        found[key] = None
    return [sentence for sentence in found.values() if sentence is not None]


def write_task(folder: Path) -> dict[str, int]:
    """Write `train.tsv` and `test.tsv`; returns their numbers of rows.

    Raises:
        UnavailableError: This Python was installed without the source of its library.
    """
    every = sentences()
    parts = {"train": [s for s in every if not s.evaluation], "test": [s for s in every if s.evaluation]}
    if min(len(part) for part in parts.values()) < 100:
        raise UnavailableError("this Python came without the source of its standard library, the demo's text")
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        lines = ["sentence\tlabel", *(f"{row.text}\t{row.family}" for row in rows)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: len(rows) for name, rows in parts.items()}


def _sources(root: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        if (root / f"{name}.py").is_file():
            yield root / f"{name}.py"
        yield from (p for p in sorted((root / name).rglob("*.py")) if not TESTS & set(p.parts))


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring


def _split(docstring: str) -> Iterator[str]:
    """Sentences of the prose of a docstring; examples, tables and option lists are left out."""
    for paragraph in re.split(r"\n\s*\n", docstring):
        if re.search(r"^\s*(>>>|\.\.\.|[-*:|+=])|[{}<>|=]{2}|\t", paragraph, flags=re.MULTILINE):
            continue
        flat = " ".join(paragraph.split())
        for text in re.split(r"(?<=[.!?]) (?=[A-Z\"'`(])", flat):
            if SHORTEST <= len(text.split()) <= LONGEST and text[-1] in ".!?":
                yield text


def _share(text: str) -> float:
    """A number in [0, 1) that depends on the text only."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
