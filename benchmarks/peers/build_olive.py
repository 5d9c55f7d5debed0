"""Olive: conversion, transformer fusions, dynamic int8; as a configuration, since its own presets ask a hub.

python build_olive.py TEACHER CALIBRATION.tsv OUTPUT
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


def passes(config: dict[str, Any], *, fused: bool) -> dict[str, Any]:
    """What is done to the model, in order."""
    fusing = {
        "type": "OrtTransformersOptimization",
        "model_type": "bert",
        "num_heads": config["num_attention_heads"],
        "hidden_size": config["hidden_size"],
        "opt_level": 0,
        "float16": False,
    }
    return {
        "convert": {"type": "OnnxConversion", "target_opset": 17, "use_dynamo_exporter": False},
        **({"fuse": fusing} if fused else {}),
        "quantise": {"type": "OnnxDynamicQuantization", "precision": "int8", "per_channel": True},
    }


def main() -> None:
    """`plain-int8.onnx` and `fused-int8.onnx`."""
    teacher, _, output = map(Path, sys.argv[1:])
    config = json.loads((teacher / "config.json").read_text(encoding="utf-8"))
    system = {
        "type": "LocalSystem",
        "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
    }
    for name, fused in (("plain", False), ("fused", True)):
        folder = output / name
        job = {
            "input_model": {
                "type": "HfModel",
                "model_path": str(teacher),
                "task": "text-classification",
                "load_kwargs": {"attn_implementation": "eager"},
            },
            "systems": {"here": system},
            "target": "here",
            "no_artifacts": True,
            "passes": passes(config, fused=fused),
            "output_dir": str(folder),
            "cache_dir": str(output / "cache"),
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, "-m", "olive", "run", "--config", str(folder / "job.json"), "--disable_telemetry"]
        subprocess.run(command, check=True, env={**os.environ, "OLIVE_DISABLE_TELEMETRY": "1"})
        shutil.copyfile(next(folder.rglob("*.onnx")), output / f"{name}-int8.onnx")


if __name__ == "__main__":
    main()
