"""A full disk and too little memory, said in words wherever they strike.

Both reach the pipeline in many forms: errors of Python, of numpy, of the libraries below, the last lines of another
process. The cause is recognised by its error number, by the system's own text for that number, or by the state of the
disk.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compressor.errors import InfeasibleError, InputError, ResourceError, causes
from compressor.profiles import available_memory, is_out_of_memory
from compressor.records.units import format_bytes

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# numpy writes arrays without telling why a write was short.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
_FULL_BELOW_BYTES = 1_000_000


@contextmanager
def exhaustion_explained(places: Mapping[str, Path]) -> Iterator[None]:
    """Turn what a full disk or too little memory raises into one error that says so.

    Args:
        places: Name -> folder that is written to.

    Raises:
        ResourceError: Disk or memory are used up; the message has what is left, and how to go on.
    """
    try:
        yield
    except (ResourceError, InfeasibleError):
        raise
    except Exception as error:
        places = {**places, "temporary files": Path(tempfile.gettempdir())}
        if _is_out_of_space(error, places):
            raise ResourceError(_disk_in_words(places)) from error
        if is_out_of_memory(error):
            raise ResourceError(_memory_in_words()) from error
        raise


def _is_out_of_space(error: Exception, places: Mapping[str, Path]) -> bool:
    texts = [os.strerror(number) for number in _NO_SPACE]
    for link in causes(error):
        if isinstance(link, OSError) and (link.errno in _NO_SPACE or _SHORT_WRITE.search(str(link))):
            return True
        if any(text in str(link) for text in texts):
            return True
    # A runtime that fails to write may say anything; bad input on a full disk is still bad input.
    return not isinstance(error, InputError) and any(_free(place) < _FULL_BELOW_BYTES for place in places.values())


def _free(place: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _disk_in_words(places: Mapping[str, Path]) -> str:
    free = "; ".join(f"{format_bytes(_free(place))} for {name} ({place})" for name, place in places.items())
    return (
        f"the disk is full: expected room for what is written, found {free}. Make room, or give another --output, "
        "another cache (XDG_CACHE_HOME) or another folder for temporary files (TMPDIR); what was finished is kept, "
        "and the same command continues where it was"
    )


def _memory_in_words() -> str:
    return (
        f"memory ran out: {format_bytes(available_memory())} are available now. End other programs, or use a machine "
        "with more (`--plan` says how much); what was finished is kept, and the same command continues where it was"
    )
