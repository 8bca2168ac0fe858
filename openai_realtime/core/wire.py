"""The values that travel: headers, a request, a response.

Owns: their shape. Must not know: engines, retries, or what any endpoint means.

Nothing changes a value once it is made. They are not frozen, since that makes them half as fast to
make; nor tuples, since error reporters show what is in a tuple, and these hold keys and secrets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar, overload

Header = tuple[bytes, bytes]
T = TypeVar("T")


class Headers(Mapping[str, str]):
    """Response headers: look-ups ignore case, repeated ones are joined by a comma.

    Set-Cookie is left out: no cookie is kept, nor shown.
    """

    __slots__ = ("_members",)

    def __init__(
        self,
        items: Mapping[str, str] | list[Header] | list[tuple[str, str]] | tuple[Header, ...] = (),
    ) -> None:
        members: dict[str, str] = {}
        for raw_name, raw_value in items.items() if isinstance(items, Mapping) else items:
            name = (raw_name if isinstance(raw_name, str) else raw_name.decode("latin-1")).lower()
            value = raw_value if isinstance(raw_value, str) else raw_value.decode("latin-1")
            if name == "set-cookie":
                continue
            members[name] = f"{members[name]}, {value}" if name in members else value
        self._members = members

    @classmethod
    def of_text(cls, items: list[tuple[str, str]]) -> Self:
        """Return the headers of an engine that gives them as text, their names in lower case."""
        members = dict(items)
        if len(members) < len(items) or "set-cookie" in members:
            return cls(items)
        headers = cls()
        headers._members = members
        return headers

    def __getitem__(self, name: str) -> str:
        return self._members[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Return a header, or `default` where there is none such."""
        return self._members.get(name.lower(), default)  # the inherited one raises and catches

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._members)})"


@dataclass(slots=True)
class Request:
    """One HTTP request, complete but for its credential. Its repr shows neither header nor body."""

    method: str
    url: str
    headers: tuple[Header, ...]
    body: bytes
    max_idle: float = math.inf
    """The longest a connection may have been idle to be used for it, in seconds."""

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.display_url}>"

    @property
    def display_url(self) -> str:
        """The URL without its query: what errors and logs show."""
        return self.url.partition("?")[0]

    def with_header(self, header: Header) -> Request:
        """Return the request with one more header, in front of the others."""
        return Request(self.method, self.url, (header, *self.headers), self.body, self.max_idle)


@dataclass(slots=True)
class Response:
    """One HTTP response, read to its end. Its repr shows no body: that may hold a secret."""

    status: int
    headers: Headers
    body: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of 2xx
