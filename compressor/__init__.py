"""A compression compiler for transformers: teacher + device + limit -> a smaller engine, verified on that device."""

from compressor.api import compress, load, verify

__all__ = ["__version__", "compress", "load", "verify"]

__version__ = "0.1.0"
