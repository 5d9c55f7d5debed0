"""Find the profiles that ship with the project, and read one by its name or from a user's own file."""

from pathlib import Path

from compressor.errors import InputError, UnavailableError
from compressor.profiles.strict_yaml import read_strict_yaml
from compressor.records.profile import HardwareProfile
from compressor.records.suggestion import nearest

FOLDER = "hardware_profiles"
_PACKAGE = Path(__file__).resolve().parents[1]


def profiles_folder(package: Path = _PACKAGE) -> Path:
    """The folder of profiles: inside the package in a wheel, beside it in a checkout.

    Args:
        package: The folder of the package `compressor`.

    Raises:
        UnavailableError: Neither is there, so the installation is not complete.
    """
    places = (package / FOLDER, package.parent / FOLDER)
    found = next((place for place in places if (place / "cpu.yaml").is_file()), None)
    if found is None:
        raise UnavailableError(
            f"expected the hardware profiles in {places[0]} (wheel) or {places[1]} (checkout), found neither; "
            "install compressor again"
        )
    return found


def list_profiles() -> tuple[str, ...]:
    """The names of the shipped profiles, sorted."""
    return tuple(sorted(path.stem for path in profiles_folder().glob("*.yaml")))


def load_profile(name_or_path: str | Path) -> HardwareProfile:
    """A validated profile.

    Args:
        name_or_path: The name of a shipped profile ("cpu-avx2"), or a file that ends in .yaml or .yml.

    Raises:
        InputError: No profile has that name, or the file is missing or not valid.
    """
    if str(name_or_path).endswith((".yaml", ".yml")):
        return read_profile(Path(name_or_path))
    return read_profile(profiles_folder() / f"{_known(str(name_or_path))}.yaml")


def read_profile(path: Path) -> HardwareProfile:
    """The profile in one file.

    Raises:
        InputError: The file is missing or not valid, or its name is not that of the profile in it.
    """
    from compressor.profiles.schema import parse_profile  # pydantic takes 0.1 s, and --help needs none of it

    profile = parse_profile(read_strict_yaml(path), where=str(path))
    if profile.name != path.stem:
        raise InputError(f"{path}: name: expected {path.stem!r}, the file's own name, found {profile.name!r}")
    return profile


def _known(name: str) -> str:
    known = list_profiles()
    if name in known:
        return name
    near = nearest(name, known, cutoff=0.4)
    hint = "" if near is None else f"did you mean {near!r}? "
    raise InputError(
        f"unknown target {name!r}: {hint}Known targets: {', '.join(known)}; "
        "any other device needs a profile of its own, given as FILE.yaml"
    )
