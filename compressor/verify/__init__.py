"""Numerics, accuracy, latency and size of an exported bundle -> a verdict with a closed list of reasons."""

from compressor.verify.bundle import read_manifest, verify_bundle
from compressor.verify.numerics import difference

__all__ = ["difference", "read_manifest", "verify_bundle"]
