"""LiteRT: conversion for one length after the other, and int8 weights with activations quantised at run time.

python build_litert.py TEACHER CALIBRATION.tsv OUTPUT

The mask is given to the model with four dimensions, ready to be added: what transformers makes of two cannot be
quantised.
"""

import sys
from pathlib import Path

import litert_torch
import torch
from ai_edge_quantizer import quantizer, recipe
from transformers import AutoModelForSequenceClassification

LENGTHS = (16, 32, 56, 128)  # as in environments.py


class Logits(torch.nn.Module):
    """Three tensors in, one out."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes]."""
        added = (1.0 - mask[:, None, None, :].float()) * -1e4
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=added, token_type_ids=types).logits
        return logits


def main() -> None:
    """`int8-LENGTH.tflite` of every length."""
    teacher, _, output = map(Path, sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    model = AutoModelForSequenceClassification.from_pretrained(teacher, attn_implementation="eager")
    wrapped = Logits(model).eval()
    for length in LENGTHS:
        row, plain = torch.ones((1, length), dtype=torch.int64), output / f"fp32-{length}.tflite"
        litert_torch.convert(wrapped, (row, row, torch.zeros_like(row))).export(str(plain))
        quantised = quantizer.Quantizer(str(plain))
        quantised.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        quantised.quantize().export_model(str(output / f"int8-{length}.tflite"))
        plain.unlink()


if __name__ == "__main__":
    main()
