"""Reads a function's docstring: what it does, and what each argument means.

Owns: Google style (`Args:`) and reST (`:param name:`). Must not know: tools or schemas.
"""

import inspect
import re

# Where the prose ends: the first section or field list.
_END_OF_PROSE = re.compile(
    r"^(?:(?:Args|Arguments|Parameters|Returns?|Yields?|Raises|Examples?|Notes?|Warns?|See Also):[ ]*$"
    r"|:(?:param|arg|returns?|rtype|raises?|type)\b)",
    re.MULTILINE,
)
_GOOGLE_SECTION = re.compile(
    r"^(?:Args|Arguments|Parameters):[ ]*\n((?:[ ]+\S.*(?:\n|\Z)|[ ]*\n)*)", re.MULTILINE
)
# An entry, and the lines below it that are indented deeper than it.
_GOOGLE_ENTRY = re.compile(
    r"^( +)\*{0,2}(\w+)(?: ?\([^)\n]*\))?:[ ]*(.*(?:\n\1 +\S.*)*)", re.MULTILINE
)
_REST_ENTRY = re.compile(r"^:(?:param|arg)(?: [^:\n]*)? (\w+):[ ]*(.*(?:\n +\S.*)*)", re.MULTILINE)


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the prose before the first section, and each described argument's text."""
    text = inspect.cleandoc(text)
    end = _END_OF_PROSE.search(text)
    prose = text[: end.start()] if end else text
    entries = [(name, words) for name, words in _REST_ENTRY.findall(text)]
    for section in _GOOGLE_SECTION.findall(text):
        entries += [(name, words) for _, name, words in _GOOGLE_ENTRY.findall(section)]
    return prose.strip(), {name: " ".join(words.split()) for name, words in entries}
