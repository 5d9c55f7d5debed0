"""Hardware profiles: read and validate them, fingerprint the device at hand, match one to the other."""

from compressor.profiles.caches import last_level_cache_bytes
from compressor.profiles.loading import list_profiles, load_profile
from compressor.profiles.machine import check_threads, fingerprint, usable_threads
from compressor.profiles.matching import Mismatch, MismatchReason, class_profile, match, resolve_target
from compressor.profiles.memory import available_memory, is_out_of_memory
from compressor.profiles.steadiness import steadiness_notes

__all__ = [
    "Mismatch",
    "MismatchReason",
    "available_memory",
    "check_threads",
    "class_profile",
    "fingerprint",
    "is_out_of_memory",
    "last_level_cache_bytes",
    "list_profiles",
    "load_profile",
    "match",
    "resolve_target",
    "steadiness_notes",
    "usable_threads",
]
