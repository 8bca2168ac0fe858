"""The documents for contributors name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("tests/*.md")]
)
_PATH = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|yml|json|svg)|(?:[\w.-]+/)+)`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_BELOW = [
    ROOT / path
    for path in (
        "",
        "openai_realtime",
        "openai_realtime/transports",
        "tests",
        "tests/faults",
        "tests/typing",
    )
]


def test_there_are_documents() -> None:
    assert {"AGENTS.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} <= {str(path) for path in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = {*_PATH.findall(text), *_LINK.findall(text)}
    missing = {path for path in named if not any((below / path).exists() for below in _BELOW)}
    assert missing == set()
