"""A data set of the hub to a folder that `tasks.read_task` reads."""

import json
import shutil
import time
from pathlib import Path

from compressor.hub.card import choose_config, class_names, parse_card, split_files
from compressor.hub.downloading import download
from compressor.hub.names import data_name, is_path
from compressor.hub.remote import Listing
from compressor.hub.rows import LABEL, write_splits
from compressor.hub.storage import provide, repository_place
from compressor.records.observer import Observer
from compressor.records.units import format_bytes

CARD = "README.md"
# In a folder of data: names of the classes in the order of their ids on the hub, a JSON list. Checkpoints whose
# config.json names no classes were trained with those ids.
LABEL_NAMES = "label_names.json"


def data_folder(name: str, *, cache: Path, observer: Observer) -> Path:
    """Local folder of a data set.

    Args:
        name: A folder, which is returned as it is, or a data set of the hub: `org/name`, `org/name/configuration`,
            or short as in `glue/sst2`.
        cache: What is downloaded is kept below it.
        observer: Who is told.

    Raises:
        InputError: Neither a folder nor a data set of the hub, or one that cannot be read.
        UnavailableError: It is not in the cache and the hub cannot be reached, or it is parquet and pyarrow is not
            installed.
    """
    if is_path(name):
        return Path(name)
    wanted = data_name(name)

    def fill(listing: Listing, folder: Path) -> None:
        source = folder / "source"
        begin = time.monotonic()
        observer.begin("fetch", f"download the data set {name}")
        if CARD in listing.files:
            download(listing, [CARD], source, progress=lambda share: None)
        card = parse_card((source / CARD).read_text(encoding="utf-8")) if CARD in listing.files else {}
        config = choose_config(listing.files, card, wanted.config, where=name)
        files = split_files(listing.files, card, config, where=name)
        flat = [file for split in files.values() for file in split]
        size = format_bytes(sum(listing.files[file].size_bytes or 0 for file in flat))
        observer.note(f"{', '.join(files)}: {len(flat)} files, {size}")
        download(listing, flat, source, progress=observer.progress)
        names = class_names(card, config)
        write_splits({split: [source / file for file in found] for split, found in files.items()}, names, folder)
        if LABEL in names:
            (folder / LABEL_NAMES).write_text(json.dumps(names[LABEL], ensure_ascii=False), encoding="utf-8")
        shutil.rmtree(source)
        observer.end("fetch", time.monotonic() - begin, cached=False)

    words = (wanted.repository, wanted.config) if wanted.config else (wanted.repository,)
    return provide(
        repository_place(cache, "dataset", *words), wanted.repository, "dataset", fill=fill, observer=observer
    )
