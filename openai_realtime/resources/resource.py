"""What all resources share: their base classes, and signatures that name each keyword of a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar, cast, get_type_hints

from openai_realtime.configuration import Configuration
from openai_realtime.transports.base import AsyncDriver, SyncDriver

F = TypeVar("F", bound=Callable[..., object])


class AsyncResource:
    """A resource of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration


class SyncResource:
    """A resource of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()
"""The default in a signature: the parameter is left out, and gets its documented default."""


def takes(params: type) -> Callable[[F], F]:
    """Return a decorator that shows the keys of the TypedDict `params` in a method's signature.

    `inspect.signature`, `help()`, Jupyter and jedi read `__signature__`. The method's behaviour
    does not change.
    """

    def decorate(method: F) -> F:
        own_hints = get_type_hints(method)
        positional = [
            parameter.replace(annotation=own_hints.get(parameter.name, parameter.empty))
            for parameter in inspect.signature(method).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        cast("Any", method).__signature__ = inspect.Signature(
            [*positional, *_keywords(params)], return_annotation=own_hints["return"]
        )
        return method

    return decorate


@cache
def _keywords(params: type) -> list[inspect.Parameter]:
    required = cast("frozenset[str]", params.__dict__["__required_keys__"])
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if name in required else NOT_GIVEN,
            annotation=hint,
        )
        for name, hint in get_type_hints(params).items()
    ]
