"""Records -> text and Markdown. No torch."""

from compressor.report.command import command_words, shell_text
from compressor.report.comparing import (
    COMPARISON_HEADER,
    Run,
    comparison_cells,
    comparison_markdown,
    differences,
    distinct,
)
from compressor.report.family import HEADER as FAMILY_HEADER
from compressor.report.family import draw_family, family_cells
from compressor.report.shapes import BATCHES_HEADER, LENGTHS_HEADER, batch_cells, length_cells
from compressor.report.table import HEADER, cells, disturbed, markdown, plain_table, promises, provenance, verdict_line

__all__ = [
    "BATCHES_HEADER",
    "COMPARISON_HEADER",
    "FAMILY_HEADER",
    "HEADER",
    "LENGTHS_HEADER",
    "Run",
    "batch_cells",
    "cells",
    "command_words",
    "comparison_cells",
    "comparison_markdown",
    "differences",
    "distinct",
    "disturbed",
    "draw_family",
    "family_cells",
    "length_cells",
    "markdown",
    "plain_table",
    "promises",
    "provenance",
    "shell_text",
    "verdict_line",
]
