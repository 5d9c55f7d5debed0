"""A profile's numbers, as an estimate needs them."""

from compressor.errors import InputError
from compressor.records.profile import HardwareProfile


def known(profile: HardwareProfile, name: str) -> float | None:
    """The value of a quantity; None where the profile has none, or looked for it in vain."""
    quantity = profile.quantity(name)
    return None if quantity is None else quantity.value


def required(profile: HardwareProfile, name: str) -> float:
    """The value of a quantity that nothing can stand in for.

    Raises:
        InputError: The profile does not know it.
    """
    value = known(profile, name)
    if value is None:
        raise InputError(
            f"an estimate for {profile.name!r} needs the quantity {name}, which its profile does not have: add it "
            "there with its unit and source, or measure on the device (`compressor profile`)"
        )
    return value
