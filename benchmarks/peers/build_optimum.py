"""optimum: export, and dynamic quantisation for AVX-512 VNNI; and its optimiser with ONNX Runtime's own quantisation.

python build_optimum.py TEACHER CALIBRATION.tsv OUTPUT

Optimum's quantiser cannot say which type the outputs of fused operators have, so that it refuses what its own
optimiser has fused; the tool below it can.
"""

import shutil
import sys
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.onnxruntime import ORTModelForSequenceClassification, ORTOptimizer, ORTQuantizer
from optimum.onnxruntime.configuration import AutoOptimizationConfig, AutoQuantizationConfig


def main() -> None:
    """`plain-int8.onnx` and `o2-int8.onnx`."""
    teacher, _, output = map(Path, sys.argv[1:])
    model = ORTModelForSequenceClassification.from_pretrained(teacher, export=True)
    model.save_pretrained(output / "plain")
    source = next((output / "plain").glob("*.onnx"))
    ORTQuantizer.from_pretrained(output / "plain", file_name=source.name).quantize(
        save_dir=output / "plain-int8",
        quantization_config=AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True),
    )
    shutil.copyfile(next((output / "plain-int8").glob("*.onnx")), output / "plain-int8.onnx")
    ORTOptimizer.from_pretrained(model).optimize(
        save_dir=output / "o2", optimization_config=AutoOptimizationConfig.O2()
    )
    quantize_dynamic(
        next((output / "o2").glob("*.onnx")),
        output / "o2-int8.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


if __name__ == "__main__":
    main()
