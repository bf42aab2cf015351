"""What the site of the documentation needs beside its pages: links out of `docs`, and colours for code."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.structure.files import File, Files
from pygments.formatters import HtmlFormatter

#: Links to what stands outside of `docs`, in the repository.
_OUTSIDE = re.compile(r"\]\((?:\.\./)+((?!docs/)[A-Za-z][\w./-]*)(#[\w-]+)?\)")

#: What Sphinx makes a link of.
_ROLE = re.compile(r":(?:attr|class|exc|func|meth|mod):<code>~?([\w.]+)</code>")


def on_files(files: Files, config: Any) -> Files:
    """Add the style sheet."""
    colours = HtmlFormatter(style="default").get_style_defs(".codehilite")
    files.append(File.generated(config, "site.css", content=colours))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Have links to files outside of the site lead to the repository."""
    here = page.file.src_uri.count("/")

    def lead_out(link: re.Match[str]) -> str:
        up = link.group(0).count("../")
        if up <= here:
            return link.group(0)
        return f"]({config['repo_url']}/blob/main/{link.group(1)}{link.group(2) or ''})"

    return _OUTSIDE.sub(lead_out, markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Show what docstrings refer to as code, without Sphinx' marks."""
    return _ROLE.sub(lambda role: f"<code>{role.group(1).rsplit('.', 1)[-1]}</code>", html)
