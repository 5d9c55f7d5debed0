"""OpenVINO: conversion, and NNCF's int8 calibrated on training text.

python build_openvino.py TEACHER CALIBRATION.tsv OUTPUT
"""

import sys
from pathlib import Path

import nncf
import openvino as ov
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
ROWS = 300


class Logits(torch.nn.Module):
    """Three tensors in, one out."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes]."""
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits
        return logits


def main() -> None:
    """`fp32.xml`, which runs in bfloat16 where it can, and `int8.xml`."""
    teacher, calibration, output = map(Path, sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    model = Logits(AutoModelForSequenceClassification.from_pretrained(teacher).eval())
    texts = [line.split("\t")[0] for line in calibration.read_text(encoding="utf-8").splitlines()[1 : ROWS + 1]]

    def tokens(text: str) -> dict[str, torch.Tensor]:
        found = tokenizer(text, truncation=True, return_tensors="pt", return_token_type_ids=True)
        return {name: found[name] for name in INPUTS}

    shapes = [ov.PartialShape([-1, -1])] * 3
    converted = ov.convert_model(model, example_input=tuple(tokens(texts[0]).values()), input=shapes)
    for port, name in zip(converted.inputs, INPUTS, strict=True):
        port.get_tensor().set_names({name})
    ov.save_model(converted, output / "fp32.xml", compress_to_fp16=False)
    data = nncf.Dataset(texts, lambda text: {name: value.numpy() for name, value in tokens(text).items()})
    quantised = nncf.quantize(
        converted,
        data,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(texts),
        target_device=nncf.TargetDevice.CPU,
    )
    ov.save_model(quantised, output / "int8.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main()
