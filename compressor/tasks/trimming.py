"""A tokenizer with fewer tokens: those that some text uses, and enough pieces to spell any other word.

| model | what stays beside the used tokens |
| --- | --- |
| WordPiece | single characters, at the begin of a word and inside |
| BPE | what the used tokens are merged from, single characters and bytes; the merges between tokens that stay |
| Unigram | single characters |
| WordLevel | nothing: other words are unknown |

The text keeps its tokens. WordPiece takes the longest token at every place, BPE merges in a fixed order, Unigram takes
the most probable way to split: what was taken stays, and nothing new competes with it. Other words get shorter pieces.
"""

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError

State = dict[str, Any]  # of tokenizer.json
Vocabulary = dict[str, int]


@dataclass(frozen=True)
class Trimmed:
    """A smaller tokenizer.

    Attributes:
        state: Of its `tokenizer.json`.
        kept: Old ids of its tokens, rising; the new id of a token is its place in here.
    """

    state: State
    kept: NDArray[np.int64]


def trim(state: State, used: Collection[int]) -> Trimmed:
    """A tokenizer without the tokens that are not used.

    Args:
        state: Of a `tokenizer.json`; it is not changed.
        used: Ids that occur in some text.

    Raises:
        InputError: A kind of model that is not known.
    """
    model = state["model"]
    kind = model.get("type")
    if kind not in _NEEDED:
        raise InputError(f"--max-size: expected a tokenizer of {', '.join(_NEEDED)}, found {kind!r}")
    vocabulary = _vocabulary(model)
    names = {index: token for token, index in vocabulary.items()}
    tokens = {names[index] for index in used if index in names}
    keep = {vocabulary[token] for token in _NEEDED[kind](model, vocabulary, tokens) if token in vocabulary}
    keep |= {added["id"] for added in state["added_tokens"]} | set(used)
    kept = np.array(sorted(keep), dtype=np.int64)
    new = {int(old): place for place, old in enumerate(kept)}
    smaller = deepcopy(state)
    smaller["model"] = _smaller_model(smaller["model"], new)
    for added in smaller["added_tokens"]:
        added["id"] = new[added["id"]]
    if smaller.get("padding"):
        smaller["padding"]["pad_id"] = new[smaller["padding"]["pad_id"]]
    if smaller.get("post_processor"):
        _renumber(smaller["post_processor"], new)
    return Trimmed(smaller, kept)


def _vocabulary(model: State) -> Vocabulary:
    """Token -> id."""
    if model["type"] == "Unigram":
        return {piece: index for index, (piece, _) in enumerate(model["vocab"])}
    return dict(model["vocab"])


def _word_piece(model: State, vocabulary: Vocabulary, used: set[str]) -> set[str]:
    prefix = model["continuing_subword_prefix"]
    characters = {token for token in vocabulary if len(token.removeprefix(prefix)) == 1}
    return used | characters | {model["unk_token"]}


def _unigram(model: State, vocabulary: Vocabulary, used: set[str]) -> set[str]:
    unknown = {model["vocab"][model["unk_id"]][0]} if model.get("unk_id") is not None else set()
    return used | {token for token in vocabulary if len(token) == 1} | unknown | _bytes(vocabulary)


def _word_level(model: State, vocabulary: Vocabulary, used: set[str]) -> set[str]:
    del vocabulary
    return used | {model["unk_token"]}


def _byte_pairs(model: State, vocabulary: Vocabulary, used: set[str]) -> set[str]:
    parts: dict[str, list[tuple[str, str]]] = {}
    for left, right, result in _merges(model):
        parts.setdefault(result, []).append((left, right))
    ends = [model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""]
    single = {t for t in vocabulary if len(t.removeprefix(ends[0]).removesuffix(ends[1])) == 1}
    needed = used | single | _bytes(vocabulary) | ({model["unk_token"]} if model.get("unk_token") else set())
    waiting = list(used)
    while waiting:
        for pair in parts.get(waiting.pop(), []):
            waiting += [part for part in pair if part not in needed]
            needed.update(pair)
    return needed


def _bytes(vocabulary: Vocabulary) -> set[str]:
    """What spells characters that have no token: `<0x0A>`."""
    return {token for token in vocabulary if len(token) == 6 and token.startswith("<0x") and token.endswith(">")}


def _merges(model: State) -> Iterator[tuple[str, str, str]]:
    """Both parts and the result of every merge, in order."""
    prefix = model.get("continuing_subword_prefix") or ""
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield left, right, left + right.removeprefix(prefix)


_NEEDED: dict[str, Callable[[State, Vocabulary, set[str]], set[str]]] = {
    "WordPiece": _word_piece,
    "BPE": _byte_pairs,
    "Unigram": _unigram,
    "WordLevel": _word_level,
}


def _smaller_model(model: State, new: dict[int, int]) -> State:
    """With the tokens that have a new id, and the merges among them."""
    if model["type"] == "Unigram":
        model["vocab"] = [entry for index, entry in enumerate(model["vocab"]) if index in new]
        if model.get("unk_id") is not None:
            model["unk_id"] = new[model["unk_id"]]
        return model
    kept = {token: new[index] for token, index in model["vocab"].items() if index in new}
    if model["type"] == "BPE":
        merges = zip(model["merges"], _merges(model), strict=True)
        model["merges"] = [merge for merge, tokens in merges if all(token in kept for token in tokens)]
    model["vocab"] = kept
    return model


def _renumber(processor: State, new: dict[int, int]) -> None:
    """Ids of special tokens, wherever a post-processor has some."""
    for inner in processor.get("processors", []):
        _renumber(inner, new)
    for place in ("sep", "cls"):
        if place in processor:
            processor[place][1] = new[processor[place][1]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[index] for index in token["ids"]]
