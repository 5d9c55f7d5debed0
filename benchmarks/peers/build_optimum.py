"""optimum: export, and dynamic quantisation for AVX-512 VNNI, with and without its optimiser.

python build_optimum.py TEACHER CALIBRATION.tsv OUTPUT
"""

import shutil
import sys
from pathlib import Path

from optimum.onnxruntime import ORTModelForSequenceClassification, ORTOptimizer, ORTQuantizer
from optimum.onnxruntime.configuration import AutoOptimizationConfig, AutoQuantizationConfig


def main() -> None:
    """`plain-int8.onnx` and `o2-int8.onnx`."""
    teacher, _, output = map(Path, sys.argv[1:])
    model = ORTModelForSequenceClassification.from_pretrained(teacher, export=True)
    model.save_pretrained(output / "plain")
    ORTOptimizer.from_pretrained(model).optimize(
        save_dir=output / "o2", optimization_config=AutoOptimizationConfig.O2()
    )
    config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    for name in ("plain", "o2"):
        source = next((output / name).glob("*.onnx"))
        quantizer = ORTQuantizer.from_pretrained(output / name, file_name=source.name)
        quantizer.quantize(save_dir=output / f"{name}-int8", quantization_config=config)
        shutil.copyfile(next((output / f"{name}-int8").glob("*.onnx")), output / f"{name}-int8.onnx")


if __name__ == "__main__":
    main()
