"""Does a checkpoint have a classifier? Answered from the names of its weights."""

from pathlib import Path

from safetensors import safe_open

from compressor.teachers.loading import unpickle, weights_path

# What the models `...ForSequenceClassification` and `...ForTokenClassification` of transformers call it; the last
# three are XLNet's, GPT-2's and FlauBERT's. config.json cannot be trusted here: it keeps its `architectures` when
# only the encoder is saved.
_CLASSIFIERS = ("classifier.", "logits_proj.", "score.", "sequence_summary.")


def is_headless(folder: Path) -> bool:
    """Whether a model has to be fine-tuned before it can answer: its weights hold no classifier.

    False too for a folder whose weights cannot be read: loading it says what is wrong.
    """
    try:
        names = _weight_names(weights_path(folder))
    except Exception:  # the unpickler's own error type is private and changed between releases
        return False
    return bool(names) and not any(name.startswith(_CLASSIFIERS) for name in names)


def _weight_names(path: Path) -> list[str]:
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as weights:
            return list(weights.keys())
    return list(unpickle(path, mapped=True))
