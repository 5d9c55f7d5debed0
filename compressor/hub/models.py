"""A model of the hub to a folder in the layout of `save_pretrained`."""

import time
from pathlib import Path

from compressor.errors import InputError, UnavailableError
from compressor.hub.downloading import download
from compressor.hub.names import is_path, model_repository
from compressor.hub.remote import Listing
from compressor.hub.storage import complete_folder, provide, repository_place
from compressor.records.observer import Observer
from compressor.records.units import format_bytes

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
# Only one of them is downloaded; safetensors first, because nothing in them is unpickled.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# `tokenizer.json` is enough; the others are what it is made of where a repository is older than that file.
TOKENIZER_FILES = (
    *(TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json"),
    *("merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model"),
)


def model_folder(name: str, *, cache: Path, observer: Observer) -> Path:
    """Local folder of a model.

    Args:
        name: A folder, which is returned as it is, or a model of the hub.
        cache: What is downloaded is kept below it.
        observer: Who is told.

    Raises:
        InputError: Neither a folder nor a model of the hub, or one without config or weights.
        UnavailableError: It is not in the cache, and the hub cannot be reached.
    """
    if is_path(name):
        return Path(name)
    repository = model_repository(name)

    def fill(listing: Listing, folder: Path) -> None:
        files = _wanted(listing)
        begin = time.monotonic()
        size = format_bytes(sum(listing.files[file].size_bytes or 0 for file in files))
        observer.begin("fetch", f"download the model {listing.repository}, {size}")
        download(listing, files, folder, progress=observer.progress)
        observer.end("fetch", time.monotonic() - begin, cached=False)
        if TOKENIZER not in listing.files:
            _make_tokenizer(folder, listing.repository)

    return provide(repository_place(cache, "model", repository), repository, "model", fill=fill, observer=observer)


def config_folder(name: str, *, cache: Path, observer: Observer) -> Path:
    """Local folder with the config.json of a model, for those who need its shape alone; no weights are downloaded.

    Args:
        name: A folder, which is returned as it is, or a model of the hub.
        cache: What is downloaded is kept below it.
        observer: Who is told.

    Raises:
        InputError: Neither a folder nor a model of the hub, or one without config.
        UnavailableError: It is not in the cache, and the hub cannot be reached.
    """
    if is_path(name):
        return Path(name)
    repository = model_repository(name)
    if (whole := complete_folder(repository_place(cache, "model", repository))) is not None:
        return whole

    def fill(listing: Listing, folder: Path) -> None:
        if CONFIG not in listing.files:
            raise InputError(
                f"the model {repository!r} has no {CONFIG}: found {', '.join(sorted(listing.files)[:20])}"
            )
        begin = time.monotonic()
        observer.begin("fetch", f"download the shape of the model {listing.repository}")
        download(listing, [CONFIG], folder, progress=observer.progress)
        observer.end("fetch", time.monotonic() - begin, cached=False)

    place = repository_place(cache, "model", repository, "config")
    return provide(place, repository, "model", fill=fill, observer=observer)


def _wanted(listing: Listing) -> list[str]:
    weights = next((file for file in WEIGHTS if file in listing.files), None)
    if CONFIG not in listing.files or weights is None:
        raise InputError(
            f"the model {listing.repository!r} has no {CONFIG if weights else ' or '.join(WEIGHTS)} (weights in "
            f"several files are not read): found {', '.join(sorted(listing.files)[:20])}"
        )
    return [CONFIG, *(file for file in TOKENIZER_FILES if file in listing.files), weights]


def _make_tokenizer(folder: Path, repository: str) -> None:
    """Write tokenizer.json from the files of an older repository, as transformers reads them.

    Raises:
        InputError: They cannot be read, or are none of a fast tokenizer.
        UnavailableError: transformers is not installed.
    """
    try:
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{repository} needs {error.name} to make its {TOKENIZER}: pip install 'compressor[compress]'"
        ) from error
    try:
        AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True).save_pretrained(folder)
    except Exception as error:  # many, of transformers and of what it calls
        raise InputError(f"no {TOKENIZER} can be made for the model {repository!r}: {error}") from error
    if not (folder / TOKENIZER).exists():
        raise InputError(f"no {TOKENIZER} can be made for the model {repository!r}: it has no fast tokenizer")
