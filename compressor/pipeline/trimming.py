"""In front of the stages: a teacher of fewer words, where `--max-size` leaves no room for all of them.

trimmed/KEY/  config.json  model.safetensors  tokenizer.json ...   a teacher like any other, kept in the cache

On the training text it gives the tokens and the answers of the teacher that it comes from; other text is spelled with
shorter pieces. Accuracy is held against the teacher with all its words, each with its own tokens.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.encoder import Encoder
from compressor.errors import InputError
from compressor.pipeline.workbench import Workbench
from compressor.records.serial import digest, file_digest
from compressor.space.factorising import WORD
from compressor.tasks.trimming import Trimmed, trim
from compressor.teachers import Teacher
from compressor.teachers.saving import save_teacher

METHOD = 1  # of trimming; a teacher that another method made is made anew
LEAST_RANK = 64  # a word table that would have to be narrower loses more than words that the text never uses
IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def trim_words(bench: Workbench) -> None:
    """Go on with a teacher of fewer words, where the room is too small for a table of all.

    Raises:
        InputError: The tokenizer is of a kind that cannot be trimmed.
    """
    whole = Workbench(bench.request, cache=bench.cache, observer=bench.observer)
    if not _needed(whole):
        return
    source = whole.teacher.folder / "tokenizer.json"
    content = (whole.teacher.digest, file_digest(source), whole.data.digest, whole.data.spec.text_columns)
    folder = bench.cache / "trimmed" / digest(*content, METHOD)
    if not folder.exists():
        _make(whole, folder)
    words = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    bench.trimmed_from = Path(bench.request.teacher)
    bench.request = replace(bench.request, teacher=str(folder))
    bench.observer.note(
        f"--max-size: {words} of {whole.canonical.architecture.vocabulary} tokens stay, those that the training text "
        "uses and what spells any other word"
    )


def _needed(whole: Workbench) -> bool:
    shape = whole.teacher.architecture
    if shape is None or shape.per_token:
        return False
    rank = whole.word_rank
    return rank is not None and rank < LEAST_RANK


def _make(whole: Workbench, folder: Path) -> None:
    """Write the teacher beside its place and move it there whole.

    Raises:
        InputError: The tokenizer cannot be trimmed, or has tokens that the teacher has no vector for.
    """
    teacher, source = whole.canonical, whole.teacher.folder
    state = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    words = teacher.architecture.vocabulary
    if beyond := [added["content"] for added in state["added_tokens"] if added["id"] >= words]:
        raise InputError(
            f"{source / 'tokenizer.json'}: expected tokens of the teacher's {words} words, found {beyond[0]!r} beyond "
            "them; resize the teacher's embeddings, or take the token out"
        )
    used = {*map(int, np.unique(whole.corpus.ids)), *range(whole.pad_id + 1), *whole.tokenizer.special_ids}
    trimmed = trim(state, used)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".trimmed-", dir=folder.parent) as spare:
        fresh = Path(spare) / "teacher"
        _save(teacher, trimmed, source, fresh)
        if not folder.exists():  # another run may have been faster
            fresh.rename(folder)


def _save(teacher: Teacher, trimmed: Trimmed, source: Path, folder: Path) -> None:
    new = {int(old): place for place, old in enumerate(trimmed.kept)}
    config = {**teacher.config, "vocab_size": len(trimmed.kept)}
    config |= {name: new[config[name]] for name in IDS if config.get(name) in new}
    encoder = with_words(teacher.encoder, trimmed.kept)
    save_teacher(encoder, teacher.family, config, teacher.label_names, tokenizer=source, folder=folder)
    text = json.dumps(trimmed.state, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    if (source / "tokenizer_config.json").exists():
        settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
        (folder / "tokenizer_config.json").write_text(json.dumps(_renumbered(settings, new)), encoding="utf-8")
    if (folder / "vocab.txt").exists():
        words = trimmed.state["model"]["vocab"]  # added tokens behind them are in tokenizer.json alone
        (folder / "vocab.txt").write_text("\n".join(sorted(words, key=words.__getitem__)) + "\n", encoding="utf-8")


def _renumbered(settings: dict[str, Any], new: dict[int, int]) -> dict[str, Any]:
    """Of tokenizer_config.json, which names added tokens by their ids."""
    added = settings.get("added_tokens_decoder")
    if added is None:
        return settings
    kept = {str(new[int(old)]): token for old, token in added.items() if int(old) in new}
    return {**settings, "added_tokens_decoder": kept}


@torch.no_grad()
def with_words(encoder: Encoder, kept: NDArray[np.int64]) -> Encoder:
    """The encoder with these rows of its word table."""
    smaller = Encoder(replace(encoder.architecture, vocabulary=len(kept)))
    state = dict(encoder.state_dict())
    state[WORD] = state[WORD][torch.from_numpy(kept)]
    smaller.load_state_dict(state)
    return smaller.eval()
