"""The programs that a page and an example share have the same text in both."""

from __future__ import annotations

import ast

import pytest
from markdown_blocks import ROOT, find_program


def statements(code: str) -> set[str]:
    """Return the text of each statement at the top level that is no import."""
    kinds = (ast.Import, ast.ImportFrom)
    return {
        ast.get_source_segment(code, each) or ""
        for each in ast.parse(code).body
        if not isinstance(each, kinds)
    }


@pytest.mark.parametrize(
    ("page", "containing", "example"),
    [
        ("how-to/broker.md", "global_max_concurrent", "fastapi_calls.py"),
        ("how-to/fastapi.md", "PASSWORDS", "fastapi_login.py"),
        ("how-to/flask.md", "wsgi_endpoint(", "flask_endpoint.py"),
        ("how-to/starlette.md", "TOKENS", "starlette_mount.py"),
    ],
)
def test_a_page_shows_an_examples_own_text(page: str, containing: str, example: str) -> None:
    shown = statements(find_program(page, containing).code)
    assert len(shown) >= 5
    assert shown - statements((ROOT / "examples" / example).read_text(encoding="utf-8")) == set()
