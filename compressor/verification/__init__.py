"""Numerics, accuracy, latency and size of an exported bundle -> a verdict with a closed list of reasons."""

from compressor.verification.answers import Answer, EntitiesPrediction, Entity, Prediction, ScorePrediction
from compressor.verification.bundle import bundle_outputs, open_bundle_device, read_manifest, verify_bundle
from compressor.verification.numerics import difference
from compressor.verification.prediction import Predictor

__all__ = [
    "Answer",
    "EntitiesPrediction",
    "Entity",
    "Prediction",
    "Predictor",
    "ScorePrediction",
    "bundle_outputs",
    "difference",
    "open_bundle_device",
    "read_manifest",
    "verify_bundle",
]
