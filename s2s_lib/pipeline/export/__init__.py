"""Executed notebooks as web pages that need nothing but themselves, for readers who were not there."""

from s2s_lib.pipeline.export.arrange import Chapter, chapter, plain_copy
from s2s_lib.pipeline.export.page import chapter_page, export_html, run_page

__all__ = ["Chapter", "chapter", "chapter_page", "export_html", "plain_copy", "run_page"]
