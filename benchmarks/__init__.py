"""Scripts that measure what the project claims; run them as modules from the root of the checkout."""
