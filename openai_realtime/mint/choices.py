"""What the browser may choose: values that the server listed, and nothing else.

Owns: the list, checked when the service is made, and how a request is held against it. Must not
know: how a session is minted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.endpoint_errors import CHOICE, EndpointError
from openai_realtime.types.session import SessionParameters

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json

Choice: TypeAlias = str | int | float | bool | None
"""A value that may be listed."""

_NAMES = SessionParameters.__annotations__.keys() - {"client_secret"}


class Choices:
    """The names that a request may hold, and the values of each."""

    def __init__(self, allow: Mapping[str, Iterable[Choice]]) -> None:
        for name, values in allow.items():
            _check(name, values)
        self._allowed = {name: tuple(values) for name, values in allow.items()}

    def everything(self) -> Iterable[tuple[str, Choice]]:
        """Return each name with each of its values."""
        return ((name, value) for name, values in self._allowed.items() for value in values)

    def validate(self, asked: Mapping[str, Json]) -> dict[str, Choice]:
        """Return the server's own values for what a request asks; raises `EndpointError`."""
        return {name: self._value(name, value) for name, value in asked.items()}

    def _value(self, name: str, asked: Json) -> Choice:
        for value in self._allowed.get(name, ()):
            # True equals 1 in Python, but not in JSON.
            if value == asked and isinstance(value, bool) == isinstance(asked, bool):
                return value
        raise EndpointError(CHOICE)


def _check(name: str, values: Iterable[object]) -> None:
    problem: str | None = None
    if name not in _NAMES:
        problem = f"it is none of {', '.join(sorted(_NAMES))}"
    elif isinstance(values, str):
        problem = 'its values are a list, such as ["verse", "marin"]'
    elif not all(value is None or isinstance(value, str | int | float) for value in values):
        problem = "its values are texts, numbers, true, false or None"
    if problem is not None:
        message = f"allow: {name} is unusable: {problem}"
        raise ConfigurationError(message)
