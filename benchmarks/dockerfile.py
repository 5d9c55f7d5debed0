"""A Dockerfile without Docker: its own steps, read from the file, run in root file systems made with debootstrap.

    FROM debian:R-slim   a copy of a minimal root file system of that release
    COPY                 from the checkout, as far as .dockerignore lets through, or from an earlier stage
    RUN                  /bin/sh -c in a chroot, with what ENV and ARG set and as the user whom USER named

What it does not know is an error, so that no step of the file is passed over.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What an image is told about itself, and no file system has to be changed for.
FACTS = ("VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD", "LABEL", "EXPOSE")


@dataclass(frozen=True)
class Step:
    """An instruction and what follows it, on one line."""

    instruction: str
    text: str


@dataclass
class Stage:
    """A root file system in the making.

    Attributes:
        root: Where it is.
        environment: What ENV set.
        user: What USER named; empty = root.
        folder: What WORKDIR named.
        facts: Instruction -> its text, for what is only told about the image.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = ""
    folder: str = "/"
    facts: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> list[Step]:
    """The steps of a Dockerfile, continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    steps = [line.strip().split(None, 1) for line in joined.splitlines() if line.strip()]
    return [Step(words[0].upper(), words[1]) for words in steps]


def substituted(text: str, values: Mapping[str, str]) -> str:
    """$NAME and ${NAME} replaced, as Docker does it outside of RUN; what is not set is empty."""
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: values.get(found[1] or found[2], ""), text)


class Builder:
    """Runs steps.

    Args:
        context: The checkout.
        work: Folder for the file systems; needs some gigabytes, and this process to be root.
        arguments: Build arguments.
        mounts: Place of this machine -> where RUN sees it, read-only, such as local package indexes.
        host: Variables of this machine that RUN sees, such as pip's.
    """

    def __init__(
        self,
        context: Path,
        work: Path,
        *,
        arguments: Mapping[str, str],
        mounts: Mapping[Path, Path] | None = None,
        host: Mapping[str, str] | None = None,
    ) -> None:
        self._context, self._work, self._given = context, work, dict(arguments)
        self._mounts, self._host = dict(mounts or {}), dict(host or {})
        self._global: dict[str, str] = {}
        self._stages: dict[str, Stage] = {}
        self._arguments: dict[str, str] = {}
        self.done = 0

    def build(self, steps: Sequence[Step]) -> Stage:
        """All of them; the last stage.

        Raises:
            RuntimeError: A step failed; its output is in the message.
            ValueError: An instruction that is not known here.
        """
        stage: Stage | None = None
        for step in steps:
            if step.instruction == "FROM":
                stage = self._from(step.text)
            elif step.instruction == "ARG":
                self._argument(step.text, inside=stage is not None)
            elif stage is None:
                raise ValueError(f"{step.instruction} before any FROM")
            else:
                self._step(stage, step)
            self.done += 1
        if stage is None:
            raise ValueError("no FROM")
        return stage

    def _step(self, stage: Stage, step: Step) -> None:
        values = {**self._arguments, **stage.environment}
        if step.instruction == "RUN":
            self.run(stage, ["/bin/sh", "-c", step.text], variables=self._arguments)
        elif step.instruction == "COPY":
            self._copy(stage, substituted(step.text, values))
        elif step.instruction == "ENV":
            pairs = shlex.split(substituted(step.text, values))
            stage.environment |= dict(pair.split("=", 1) for pair in pairs)
        elif step.instruction == "USER":
            stage.user = substituted(step.text, values)
        elif step.instruction == "WORKDIR":
            stage.folder = substituted(step.text, values)
            (stage.root / stage.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif step.instruction in FACTS:
            stage.facts[step.instruction] = step.text
        else:
            raise ValueError(f"{step.instruction} is not known here")

    def _from(self, text: str) -> Stage:
        words = substituted(text, self._global).split()
        name = words[2] if len(words) == 3 else str(len(self._stages))
        found = re.fullmatch(r"debian:(\w+)-slim", words[0])
        if found is None:
            raise ValueError(f"expected debian:RELEASE-slim, found {words[0]}")
        root = self._work / name
        # Devices as devices, and nothing of what is mounted in it, such as /proc.
        subprocess.run(["cp", "-a", "-x", str(debian(found[1], self._work)), str(root)], check=True)
        self._arguments = {}
        self._stages[name] = Stage(root)
        return self._stages[name]

    def _argument(self, text: str, *, inside: bool) -> None:
        name, _, default = text.partition("=")
        value = self._given.get(name, default or self._global.get(name, ""))
        (self._arguments if inside else self._global)[name] = value

    def _copy(self, stage: Stage, text: str) -> None:
        words = text.split()
        source = self._context
        if words[0].startswith("--from="):
            source = self._stages[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        place = stage.root / os.path.join(stage.folder, target).lstrip("/")
        for name in names:
            path = source / name.lstrip("/")
            if source == self._context:
                self._check_context(name)
            into = place / path.name if target.endswith("/") else place
            into.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if source == self._context else None
                shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy2(path, into)

    def _check_context(self, name: str) -> None:
        """What .dockerignore keeps out could not be copied."""
        let_in = (self._context / ".dockerignore").read_text(encoding="utf-8").split()
        if f"!{name.split('/')[0]}" not in let_in:
            raise RuntimeError(f"COPY {name}: .dockerignore does not let it in")

    def run(self, stage: Stage, command: Sequence[str], *, variables: Mapping[str, str] | None = None) -> str:
        """A command in a stage, as its user; what it printed.

        Raises:
            RuntimeError: It failed.
        """
        user = [f"--userspec={stage.user}:{stage.user}"] if stage.user else []
        chroot = ["chroot", *user, str(stage.root), "/bin/sh", "-c", 'cd "$0" && exec "$@"', stage.folder, *command]
        environment = {**self._host, **stage.environment, **(variables or {}), "HOME": "/root"}
        if stage.user:
            environment["HOME"] = "/tmp"
        with _Mounted(stage.root, self._mounts):
            done = subprocess.run(chroot, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"{shlex.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout

    def entry(self, stage: Stage, *arguments: str) -> list[str]:
        """What `docker run IMAGE ARGUMENTS` would run."""
        entry = json.loads(stage.facts["ENTRYPOINT"])
        return [*entry, *(arguments or json.loads(stage.facts["CMD"]))]


class _Mounted:
    """/proc, /dev and some places of this machine in a root file system; what was made for them goes again.

    /dev/shm is one of its own, as large as Docker's.
    """

    LIVE = (Path("/proc"), Path("/dev"))
    MEMORY = "mode=1777,size=64m"

    def __init__(self, root: Path, places: Mapping[Path, Path]) -> None:
        self._root, self._places = root, {**{path: path for path in self.LIVE}, **places}
        self._mounted: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> None:
        try:
            self._mount()
        except BaseException:
            self.__exit__()
            raise

    def _mount(self) -> None:
        for source, inside in self._places.items():
            place = self._root / str(inside).lstrip("/")
            self._made += [path for path in (place, *place.parents) if not path.exists()]
            if source.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            subprocess.run(["mount", "--bind", str(source), str(place)], check=True)
            self._mounted.append(place)
            # Or what is mounted in it would appear on this machine too.
            subprocess.run(["mount", "--make-private", str(place)], check=True)
            if source not in self.LIVE:  # a step that writes there would write to this machine
                subprocess.run(["mount", "--options", "remount,bind,ro", str(place)], check=True)
        memory = self._root / "dev" / "shm"
        subprocess.run(["mount", "--types", "tmpfs", "--options", self.MEMORY, "tmpfs", str(memory)], check=True)
        self._mounted.append(memory)

    def __exit__(self, *_: object) -> None:
        """Unmount everything, whatever fails on the way; nothing is removed below which something is mounted.

        Raises:
            RuntimeError: Something is still mounted.
        """
        for place in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(place)], check=False)
        check_unmounted(self._root)
        for path in sorted(self._made, key=lambda path: -len(path.parts)):
            if path.is_dir():
                with suppress(OSError):  # a step put something of its own there
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)


def check_unmounted(root: Path, table: Path = Path("/proc/self/mounts")) -> None:
    """Refuse a folder below which something of this machine is mounted: removing it would remove that.

    Args:
        root: The folder.
        table: What is mounted, in the format of fstab.

    Raises:
        RuntimeError: The message names every such place.
    """
    places = [line.split(" ")[1] for line in table.read_text(encoding="utf-8").splitlines()]
    # Blanks and the like are octal numbers there.
    named = [Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), place)) for place in places]
    still = sorted(str(place) for place in named if place.is_relative_to(root.resolve()))
    if still:
        raise RuntimeError(f"still mounted, so that {root} must not be removed: {', '.join(still)}; umount them first")


def remove(root: Path) -> None:
    """Remove a folder of file systems, if it is there.

    Raises:
        RuntimeError: Something is mounted below it.
    """
    check_unmounted(root)
    if root.exists():
        shutil.rmtree(root)


def debian(release: str, work: Path) -> Path:
    """A minimal root file system of a release, made once."""
    root = work / f"debian-{release}"
    if not (root / "bin").exists():
        command = ["debootstrap", "--variant=minbase", release, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"debootstrap failed: {(done.stdout + done.stderr)[-2000:]}")
        for name in ("proc", "sys"):  # which it leaves mounted
            subprocess.run(["umount", "--lazy", str(root / name)], check=False, capture_output=True)
    return root
