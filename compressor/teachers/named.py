"""Names for the classes of a checkpoint that has none of its own.

Many checkpoints say LABEL_0, LABEL_1 in their config.json, or nothing. Where the data knows the names of its class
ids, the checkpoint was trained with those ids.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from compressor.teachers.outputs import label_names

_NO_NAME = re.compile(r"(LABEL_)?\d+")  # what transformers writes where nobody gave a name


def with_class_names(model: Path, names: Sequence[str], *, cache: Path) -> Path:
    """A folder of the model whose classes have these names; the model's own where it needs none or they do not fit.

    Args:
        model: Folder in the layout of `save_pretrained`.
        names: Index = class id.
        cache: The new folder is made in here, with links to the files of the model.
    """
    try:
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        known = label_names(config)
    except (OSError, ValueError, TypeError, AttributeError):
        return model  # loading it says what is wrong
    if len(known) != len(names) or not all(_NO_NAME.fullmatch(name) for name in known):
        return model
    changed = {
        **config,
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
    }
    text = json.dumps(changed, indent=2, ensure_ascii=False) + "\n"
    folder = cache / hashlib.sha256(f"{model.resolve()}\n{text}".encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.iterdir():
        link = folder / file.name
        if file.name != "config.json" and not link.is_symlink():
            link.symlink_to(file.resolve())
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder
