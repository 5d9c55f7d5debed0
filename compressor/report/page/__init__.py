"""The report as one page of HTML that needs nothing else: verdict first, then the evidence."""

from compressor.report.page.answers import Answers, read_answers
from compressor.report.page.found import Found, find
from compressor.report.page.rendering import render_comparison, render_page

__all__ = ["Answers", "Found", "find", "read_answers", "render_comparison", "render_page"]
