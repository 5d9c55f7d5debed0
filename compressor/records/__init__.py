"""Frozen dataclasses that travel between the stages. No torch, no onnx."""
