"""Hardware profiles: read and validate them, fingerprint the device at hand, match one to the other."""

from compressor.profiles.caches import last_level_cache_bytes
from compressor.profiles.loading import list_profiles, load_profile
from compressor.profiles.machine import fingerprint, usable_threads
from compressor.profiles.matching import Mismatch, MismatchReason, class_profile, match, resolve_target
from compressor.profiles.memory import available_memory

__all__ = [
    "Mismatch",
    "MismatchReason",
    "available_memory",
    "class_profile",
    "fingerprint",
    "last_level_cache_bytes",
    "list_profiles",
    "load_profile",
    "match",
    "resolve_target",
    "usable_threads",
]
