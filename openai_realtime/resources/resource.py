"""What all resources share: their base classes, and signatures that name each keyword of a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Final, TypeVar, cast, get_type_hints

from openai_realtime.configuration import Configuration
from openai_realtime.official_names import RESOURCE, OfficialNames
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver

F = TypeVar("F", bound=Callable[..., object])


class AsyncResource(OfficialNames):
    """A resource of the async client."""

    _official_names: ClassVar[Mapping[str, str]] = RESOURCE

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration


class SyncResource(OfficialNames):
    """A resource of the sync client."""

    _official_names: ClassVar[Mapping[str, str]] = RESOURCE

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
        cast("Any", method).__signature__ = _signature(method, params)
        return method

    return decorate


class ConstructorSignature:
    """The `__signature__` of a class: it names the keys of the TypedDict that the constructor takes.

    It is made when it is read, so that importing the class does not evaluate type hints.
    """

    def __init__(self, options: type) -> None:
        self._options = options

    def __get__(self, _: object, owner: type) -> inspect.Signature:
        signature = _signature(inspect.getattr_static(owner, "__init__"), self._options)
        _self, *parameters = signature.parameters.values()
        return signature.replace(parameters=parameters, return_annotation=owner)


def _signature(method: Callable[..., object], params: type) -> inspect.Signature:
    own_hints = get_type_hints(method)
    own = [
        parameter.replace(annotation=own_hints.get(parameter.name, parameter.empty))
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    return inspect.Signature([*own, *_keywords(params)], return_annotation=own_hints["return"])


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
