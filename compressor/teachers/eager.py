"""The baseline that users start from: the teacher in eager PyTorch, in a fresh process like every engine.

`python -m compressor.teachers.eager SPEC FEEDS SAMPLES`; the only place that needs `transformers`.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.base import Feeds
from compressor.runtimes.fresh import fresh_processes, read_feeds, run_worker
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.samples import Samples
from compressor.runtimes.timing import engine_subject, time_alone
from compressor.tasks.outputs import engine_outputs
from compressor.tasks.tokens import Tokens
from compressor.teachers.inputs import input_names
from compressor.teachers.outputs import reads_tokens


def eager_baseline(
    folder: Path, feeds: Sequence[Feeds], tokens: Path, outputs: Path, *, threads: int, seconds: float, pad_id: int
) -> Samples:
    """Time `transformers`' own model and let it answer a data set.

    Args:
        folder: The teacher.
        feeds: Inputs that are timed.
        tokens: Folder of the rows to answer.
        outputs: Where the outputs go (.npy): [rows, classes], of a per-token teacher [tokens, classes] in the order of
            `tokens`.
        threads: While it is timed.
        seconds: To time it for.
        pad_id: Token id of padding.

    Returns:
        Raw times and their yardstick.

    Raises:
        ResourceError: The process was killed, as the system does when memory runs out.
        UnavailableError: The process failed or died.
    """
    spec: dict[str, object] = {
        "teacher": str(folder.resolve()),
        "tokens": str(tokens.resolve()),
        "outputs": str(outputs.resolve()),
        "threads": threads,
        "seconds": seconds,
        "pad_id": pad_id,
    }
    return fresh_processes("compressor.teachers.eager", spec, feeds, processes=1)[0]


class _EagerEngine:
    """`transformers`' model behind the face of an engine."""

    def __init__(self, model: Any, from_numpy: Callable[[Any], Any]) -> None:
        self._model, self._from_numpy = model, from_numpy
        self.inputs = input_names(model)

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """See `Engine`."""
        logits = self._model(**{name: self._from_numpy(value) for name, value in feeds.items()}).logits
        return np.asarray(logits.numpy(), dtype=np.float32)


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Do what the spec says; write the raw times and the logits."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    config = json.loads((Path(spec["teacher"]) / "config.json").read_text(encoding="utf-8"))
    face = AutoModelForTokenClassification if reads_tokens(config) else AutoModelForSequenceClassification
    model = face.from_pretrained(spec["teacher"], local_files_only=True, dtype=torch.float32).eval()
    engine = _EagerEngine(model, torch.from_numpy)
    feeds = read_feeds(Path(feeds_path))
    device = LocalDevice()
    with torch.inference_mode():
        logits = engine_outputs(engine, Tokens.load(Path(spec["tokens"])), pad_id=spec["pad_id"], batch_tokens=2048)
        np.save(spec["outputs"], logits)
        torch.set_num_threads(spec["threads"])
        subject = engine_subject(engine, feeds)
        samples = time_alone(subject, clock=device.clock, seconds=spec["seconds"], yardstick=device.yardstick)
    samples.save(Path(samples_path))


if __name__ == "__main__":
    run_worker(main)
