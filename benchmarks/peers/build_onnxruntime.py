"""ONNX Runtime's own tools: torch's exporter, the BERT optimiser, dynamic quantisation per channel.

python build_onnxruntime.py TEACHER CALIBRATION.tsv OUTPUT
"""

import sys
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model
from transformers import AutoModelForSequenceClassification

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def main() -> None:
    """`plain-int8.onnx` and `fused-int8.onnx`: a user tries both."""
    teacher, _, output = map(Path, sys.argv[1:])
    model = AutoModelForSequenceClassification.from_pretrained(teacher, attn_implementation="eager").eval()
    output.mkdir(parents=True, exist_ok=True)
    row = torch.ones((1, 16), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS}
    torch.onnx.export(
        model,
        (row, row, torch.zeros_like(row)),
        str(output / "fp32.onnx"),
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    config = model.config
    fused = optimize_model(
        str(output / "fp32.onnx"),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    fused.save_model_to_file(str(output / "fused.onnx"))
    for name, source in (("plain", "fp32"), ("fused", "fused")):
        quantize_dynamic(
            output / f"{source}.onnx",
            output / f"{name}-int8.onnx",
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Of operators that shape inference does not know, such as the fused ones.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


if __name__ == "__main__":
    main()
