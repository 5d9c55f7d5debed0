"""Records -> text and Markdown. No torch."""

from compressor.report.family import HEADER as FAMILY_HEADER
from compressor.report.family import draw_family, family_cells
from compressor.report.table import HEADER, cells, disturbed, markdown, plain_table, promises, provenance, verdict_line

__all__ = [
    "FAMILY_HEADER",
    "HEADER",
    "cells",
    "disturbed",
    "draw_family",
    "family_cells",
    "markdown",
    "plain_table",
    "promises",
    "provenance",
    "verdict_line",
]
