"""Records -> text and Markdown. No torch."""

from compressor.report.table import HEADER, cells, markdown, plain_table, promises, provenance, verdict_line

__all__ = ["HEADER", "cells", "markdown", "plain_table", "promises", "provenance", "verdict_line"]
