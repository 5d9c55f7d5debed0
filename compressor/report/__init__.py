"""Records -> text and Markdown. No torch."""

from compressor.report.table import HEADER, cells, disturbed, markdown, plain_table, promises, provenance, verdict_line

__all__ = ["HEADER", "cells", "disturbed", "markdown", "plain_table", "promises", "provenance", "verdict_line"]
