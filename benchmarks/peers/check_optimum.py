"""Does a bundle load in optimum's classes and pipelines, and answer there what it was verified to answer?

    python check_optimum.py BUNDLE

Prints one JSON object; run in optimum's environment.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from optimum.onnxruntime import ORTModelForSequenceClassification
from optimum.pipelines import pipeline
from transformers import AutoTokenizer

ROWS = 50


def main() -> None:
    """Compare the first rows of the evaluation data, and ask a pipeline."""
    bundle = Path(sys.argv[1])
    model = ORTModelForSequenceClassification.from_pretrained(bundle, file_name="model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    with np.load(bundle / "evaluation.npz") as data:
        ids, offsets, expected = data["ids"], data["offsets"], data["engine"]
    largest = 0.0
    for row in range(min(ROWS, len(expected))):
        tokens = torch.from_numpy(ids[None, offsets[row] : offsets[row + 1]].astype(np.int64))
        types = torch.zeros_like(tokens)
        found = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), token_type_ids=types).logits
        largest = max(largest, float(np.abs(np.asarray(found) - expected[row]).max()))
    asked = pipeline("text-classification", model=model, tokenizer=tokenizer, accelerator="ort")("a fine film")
    print(json.dumps({"largest_difference": largest, "answer": asked}))


if __name__ == "__main__":
    main()
