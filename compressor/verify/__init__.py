"""Numerics, accuracy, latency and size of an exported bundle -> a verdict with a closed list of reasons."""

from compressor.verify.bundle import read_manifest, verify_bundle
from compressor.verify.numerics import difference
from compressor.verify.prediction import Prediction, Predictor

__all__ = ["Prediction", "Predictor", "difference", "read_manifest", "verify_bundle"]
