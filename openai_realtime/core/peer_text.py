"""Makes texts from peers safe to show: masks secrets, escapes control characters, limits length.

A peer is a server, a proxy, a gateway, a browser or a caller. Its texts pass through this file before
they get into an exception, a log line, a repr or a terminal.

Rules for this file:

- The running time is linear in the size of the text, for every text.
- A text is cut at positions in the original text, and never in the middle of a secret.
"""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING

from openai_realtime.core.strict_json import MAX_JSON_DEPTH, Json
from openai_realtime.secrets import MASK, MAX_SECRET_CHARACTERS, RedactedStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_TEXT_CHARACTERS = 500
"""The most characters shown of a message or a reason phrase."""
MAX_NAME_CHARACTERS = 200
"""The most characters shown of a code, a type, a content type or a member's name."""
MAX_HEADER_CHARACTERS = 8 * 1024
"""The most characters shown of one header."""
MAX_BODY_CHARACTERS = 8 * 1024
"""The most characters shown of a body: all its texts and names together."""

_CUT = "…"
_SHORTEST_CREDENTIAL = 4  # masking a shorter one, such as "x", would mask every x
_SHORTEST_SECRET = 8  # characters
_MOST_SECRETS = 32  # a response holds one or two
# A longer secret is searched by its first characters, because a peer may have cut it anywhere.
_NEEDLE_CHARACTERS = 64
_SCALAR_CHARACTERS = 8  # counted for each number, short text or list in a body

_TOKEN = r"[^\s\"'<>,;)}\]]"  # noqa: S105 - a pattern
_SECRET_MEMBER = "api[-_]?key|authorization|client_secret|key|secret|token|value"  # noqa: S105 - names
_SECRET_PARAMETER = "api[-_]?key|access_token|client_secret|key|secret|sig|token"  # noqa: S105 - names
# Each alternative consumes all that it has looked at, or fails after a few characters, so that the
# search takes linear time. The pattern begins with a character class, because `re` finds a class
# faster than alternatives. If a group matched, it is the secret; otherwise the whole match is.
_SECRET_SHAPES = re.compile(
    rf"""
    [serwxbB"?&] (?:
        (?<![A-Za-z0-9].) (?:
            # Keys and secrets of the providers: sk-…, ek_…, rk-…, sess-…, whsec_…, xai-….
            (?: (?: (?<=[ser])k | (?<=s)ess | (?<=w)hsec ) [-_] | (?<=x)ai- ) {_TOKEN}{{4,}}
            # JSON Web Tokens, such as those of Entra.
            | (?<=e)yJ [\w.-]{{8,}}
            # What follows an authentication scheme, unless it is a word: "Bearer authentication".
            | (?<=[bB]) (?i:earer|asic) \s++
              (?= [A-Za-z]*+ {_TOKEN} | [A-Za-z]{{20}} ) {_TOKEN}{{4,}}
        )
        # Members of JSON that was cut or damaged, and parameters of a URL, by their names.
        | (?<=") (?i:{_SECRET_MEMBER}) " \s*+ : \s*+ " ([^"]{{8,}})
        | (?<=[?&]) (?i:{_SECRET_PARAMETER}) = ([^\s"'<>&]{{8,}})
    )
    """,
    re.ASCII | re.VERBOSE | re.DOTALL,
)
_WORDS = re.compile(rf"[!-~]{{{_SHORTEST_SECRET},}}")
_END_OF_TOKEN = re.compile(r"[^\w.~+/=-]", re.ASCII)
_SAME_EVERYWHERE = re.compile(r"[\w.~-]*", re.ASCII)
# .NET and Go escape these characters in this way in JSON and HTML.
_JSON_CODES = {ord(character): f"\\u{ord(character):04x}" for character in "\"&'+<>"}
_HTML_CODES = {ord(character): f"&#{ord(character)};" for character in "\"&'+<>"}
_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

# The text of a member with one of these names is a secret, whatever it looks like.
_SECRET_MEMBERS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "id_token",
        "key",
        "password",
        "proxy_authorization",
        "refresh_token",
        "secret",
        "token",
        "value",
        "x_api_key",
    }
)
# The texts in an object of this name are secrets: an MCP server's headers.
_HEADERS = "headers"
_MAX_MEMBER_NAME = max(map(len, _SECRET_MEMBERS))


def sanitize_text(text: str, secrets: Iterable[str] = (), limit: int = MAX_TEXT_CHARACTERS) -> str:
    r"""Return a peer's text, safe to show, in at most `limit` characters.

    It masks `secrets`, in upper or lower case and as JSON, HTML or URLs encode them, and texts that
    look like a key or a secret. Characters that are not printable become escapes such as `\x1b`.
    """
    return Sanitizer(secrets).text(text, limit)


def visible(text: str) -> str:
    """Return `text` with escapes for its control characters, line breaks and bidirectional controls."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class Sanitizer:
    """Makes the texts of one response safe to show. Its repr shows no secret."""

    __slots__ = ("_is_crowded", "_needles", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(secrets)
        self._needles: tuple[str, ...] | None = None
        self._is_crowded = False

    def __reduce__(self) -> tuple[type[Sanitizer], tuple[()]]:
        """Pickle without the secrets."""
        return Sanitizer, ()

    def learn(self, secrets: Sequence[str]) -> None:
        """Mask these secrets too; if there are more than 32, every word of 8 or more characters."""
        if len(secrets) > _MOST_SECRETS:
            self._is_crowded = True
        self._secrets += tuple(secrets[:_MOST_SECRETS])
        self._needles = None

    def text(self, text: str, limit: int = MAX_TEXT_CHARACTERS) -> str:
        """Return `text`, safe to show, in at most `limit` characters."""
        # A mask is shorter than a long secret, so text after the secret may fit within the limit.
        scanned = limit + MAX_SECRET_CHARACTERS
        masked = self.mask(text, scanned)
        shown = visible(masked[: limit + 1])
        is_whole = len(shown) <= limit and len(text) <= scanned
        return shown if is_whole else shown[: limit - len(_CUT)] + _CUT

    def mask(self, text: str, limit: int = MAX_BODY_CHARACTERS) -> str:
        """Return the first `limit` characters of `text`, with a mask in place of each secret."""
        # A secret may begin within the limit and end after it.
        scanned = text[: limit + _NEEDLE_CHARACTERS]
        spans = self._known_spans(scanned)
        # Known secrets become stars, so that a shape directly after one is at the start of a word.
        starred = _starred(scanned, spans) if spans else scanned
        spans += [match.span(match.lastindex or 0) for match in _SECRET_SHAPES.finditer(starred)]
        if self._is_crowded:
            spans += [match.span() for match in _WORDS.finditer(starred)]
        shown: list[str] = []
        done = 0
        for start, end in sorted(spans):
            if start >= limit:
                break
            if start >= done:
                shown += [text[done:start], MASK]
            done = max(done, end)
        return "".join([*shown, text[done:limit]])

    def json(self, value: Json, convert: Callable[[str, int], str] | None = None) -> Json:
        """Return a copy of a JSON value, safe to show: at most 8 KiB of texts and names.

        Texts of members such as `token`, and in an object `headers`, are masked. `convert` makes other texts safe;
        the default is `text`.
        """
        return _Copy(self, convert or self.text).of(value)

    def _known_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the start and end of each known secret in a text."""
        lowered = _lower(text)
        spans: list[tuple[int, int]] = []
        for needle in self._all_needles():
            beginning = needle[:_NEEDLE_CHARACTERS]
            start = lowered.find(beginning)
            while start >= 0:
                end = _end_of(needle, lowered, start)
                spans.append((start, end))
                start = lowered.find(beginning, end)
        return spans

    def _all_needles(self) -> tuple[str, ...]:
        if self._needles is None:
            known = {each[:MAX_SECRET_CHARACTERS] for each in self._secrets}
            spellings = {
                spelling.lower()
                for secret in known
                if len(secret) >= _SHORTEST_CREDENTIAL
                for spelling in _spellings(secret)
            }
            self._needles = tuple(spellings)
        return self._needles


def _lower(text: str) -> str:
    """Return `text` in lower case; if that changes its length, only its ASCII letters."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.translate(_LOWER_CASE)


def _end_of(needle: str, lowered: str, start: int) -> int:
    """Return the end of the secret that begins at `start` in the same way as `needle`."""
    end = start + len(needle)
    if len(needle) <= _NEEDLE_CHARACTERS or lowered.startswith(needle, start):
        return end
    after = _END_OF_TOKEN.search(lowered, start + _NEEDLE_CHARACTERS)
    return after.start() if after else len(lowered)


def _starred(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return `text` with a star in place of each character within `spans`."""
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        pieces += [text[done:start], "*" * (end - max(start, done))]
        done = max(done, end)
    return "".join([*pieces, text[done:]])


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as JSON, HTML and URLs encode it."""
    secret = str(secret)
    yield secret
    if not _SAME_EVERYWHERE.fullmatch(secret):
        from html import escape  # noqa: PLC0415 - few secrets need it
        from urllib.parse import quote  # noqa: PLC0415 - few secrets need it

        as_json = json.dumps(secret)[1:-1]
        yield from (as_json, as_json.replace("/", r"\/"), secret.translate(_JSON_CODES))
        yield from (escape(secret), secret.translate(_HTML_CODES))
        yield from (quote(secret), quote(secret, safe=""))


def is_secret_name(name: str) -> bool:
    """Return whether a member or header of this name holds a secret, whatever it looks like."""
    return len(name) <= _MAX_MEMBER_NAME and name.lower().replace("-", "_") in _SECRET_MEMBERS


def secrets_in(value: Json) -> list[str]:
    """Return the texts under a secret's name (`is_secret_name`) in a JSON value: at most 33."""
    secrets: dict[str, None] = {}
    pending = [value]
    while pending and len(secrets) <= _MOST_SECRETS:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            for name, member in item.items():
                if not isinstance(member, str):
                    pending.append(member)
                elif is_secret_name(name) and _WORDS.fullmatch(member):
                    secrets[member] = None
    return list(secrets)[: _MOST_SECRETS + 1]


class _Copy:
    """Copies a JSON value with its texts made safe, until the copy has 8 KiB of texts and names."""

    def __init__(self, sanitizer: Sanitizer, convert: Callable[[str, int], str]) -> None:
        self._sanitizer = sanitizer
        self._convert = convert
        self._room = MAX_BODY_CHARACTERS

    def of(self, value: Json, depth: int = 1, name: str = "") -> Json:
        if isinstance(value, RedactedStr):  # its repr is masked
            return value
        if isinstance(value, str):
            return self._text(value)
        self._room -= _SCALAR_CHARACTERS  # an empty list counts too
        if isinstance(value, list | dict) and depth > MAX_JSON_DEPTH:
            return _CUT
        if isinstance(value, list):
            return self._items(value, depth)
        if isinstance(value, dict):
            return self._members(value, depth, are_headers=name == _HEADERS)
        return self._integer(value) if type(value) is int else value

    def _items(self, items: list[Json], depth: int) -> Json:
        shown: list[Json] = []
        for item in items:
            if self._room <= 0:
                shown.append(_CUT)
                break
            shown.append(self.of(item, depth + 1))
        return shown

    def _members(self, members: dict[str, Json], depth: int, *, are_headers: bool) -> Json:
        shown: dict[str, Json] = {}
        for name, member in members.items():
            if self._room <= 0:
                shown[_CUT] = _CUT
                break
            shown_name = self._sanitizer.text(name, MAX_NAME_CHARACTERS)
            self._room -= len(shown_name)
            is_secret = isinstance(member, str) and (are_headers or is_secret_name(name))
            shown[shown_name] = MASK if is_secret else self.of(member, depth + 1, name)
        return shown

    def _text(self, text: str) -> str:
        shown = self._convert(text, max(1, self._room))
        self._room -= max(_SCALAR_CHARACTERS, len(shown))
        return shown

    def _integer(self, value: int) -> Json:
        """Return a whole number, or a text if the number contains a secret or is too long."""
        digits = str(value)
        shown = self._sanitizer.text(digits)
        return value if shown == digits else shown
