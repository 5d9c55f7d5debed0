"""Where repositories are kept in the cache.

    hub/models/org--name/COMMIT/            complete: used without asking the hub again
    hub/models/org--name/COMMIT.partial/    begun: continued at the same commit, even if there is a newer one

So a name stands for the commit that it had when it was first used; without its folder it is looked up again.
"""

from collections.abc import Callable
from pathlib import Path

from compressor.errors import UnavailableError
from compressor.hub.remote import Kind, Listing, list_repository
from compressor.records.observer import Observer
from compressor.records.store import RunFolder

HUB = "hub"
_PARTIAL = ".partial"


def provide(
    place: Path, repository: str, kind: Kind, *, fill: Callable[[Listing, Path], None], observer: Observer
) -> Path:
    """The complete folder of a repository, filled if it is not there.

    Args:
        place: Of this repository in the cache.
        repository: `org/name`.
        kind: Model or data set.
        fill: Downloads what is needed into a folder; called again on the same one after it was interrupted.
        observer: Who is told.

    Raises:
        InputError: The repository cannot be had, or another process is downloading it.
        UnavailableError: The hub cannot be reached.
    """
    if (complete := complete_folder(place)) is not None:
        return complete
    try:
        listing = list_repository(repository, kind, commit=_begun(place))
    except UnavailableError as error:
        raise UnavailableError(
            f"{error}. Without network give folders: --teacher DIR --data DIR; or run the same command with --plan "
            f"where there is a network, and copy its {place.parents[1]} to the same place here"
        ) from error
    observer.note(f"{listing.repository} at commit {listing.commit[:12]} of the hub, into {place}")
    with RunFolder(place).held():
        partial = place / (listing.commit + _PARTIAL)
        partial.mkdir(exist_ok=True)
        fill(listing, partial)
        return partial.rename(place / listing.commit)


def repository_place(cache: Path, kind: Kind, *words: str) -> Path:
    """Folder of a repository in the cache; a name's slashes become two dashes, as in the hub's own cache."""
    return cache / HUB / f"{kind}s" / "--".join(word.replace("/", "--") for word in words)


def complete_folder(place: Path) -> Path | None:
    """The folder of a repository that is whole, the newest of several; None where there is none.

    Args:
        place: Of the repository in the cache.
    """
    folders = [path for path in place.glob("*") if path.is_dir() and path.suffix != _PARTIAL]
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _begun(place: Path) -> str | None:
    return next((path.stem for path in place.glob("*" + _PARTIAL)), None)
