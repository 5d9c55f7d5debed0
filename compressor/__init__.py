"""A compression compiler for transformers: teacher + device + limit -> a smaller engine, verified on that device."""

__version__ = "0.1.0"
