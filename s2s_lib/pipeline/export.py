"""Executed notebooks as web pages that need nothing but themselves."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.files import atomic_write

# nbconvert's page loads RequireJS, MathJax and Mermaid from a CDN; offline they are missing and here nobody needs them.
# It also forgets the alternative text that pictures bring along.
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img alt="{{ (output | get_metadata('alt', 'image/png') or 'figure') | escape_html }}"
     src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}">
</div>
{%- endblock -%}
"""


def export_html(notebook: Path, title: str) -> Path:
    """Writes an executed notebook beside itself as one HTML file: prose and results, without the code."""
    import nbformat
    from nbconvert import HTMLExporter

    content = nbformat.read(notebook, as_version=4)
    content.metadata["title"] = title
    exporter = HTMLExporter(raw_template=TEMPLATE, exclude_input=True, exclude_output_prompt=True, embed_images=True)
    page, _ = exporter.from_notebook_node(content)
    target = notebook.with_suffix(".html")
    atomic_write(target, page)
    return target
