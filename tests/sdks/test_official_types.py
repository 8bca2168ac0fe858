"""Every parameter and response field of the official Python SDK is in this package's types too.

Both packages' types are walked side by side. CONTRIBUTING.md has the command that does so for the
newest release of the official SDK, instead of the one that pyproject.toml pins.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NotRequired, Required, get_args, get_origin
from unittest import mock

import pytest
import typing_extensions
from pydantic import BaseModel
from typing_extensions import TypedDict, is_typeddict

import openai_realtime
import openai_realtime.types
from openai_realtime import providers

openai = pytest.importorskip("openai")
pytestmark = pytest.mark.sdks

REQUESTS = {
    "calls.accept": ("realtime.CallAcceptParams", "CallAcceptParams"),
    "calls.create": ("realtime.CallCreateParams", "CallCreateParams"),
    "calls.refer": ("realtime.CallReferParams", "CallReferParams"),
    "calls.reject": ("realtime.CallRejectParams", "CallRejectParams"),
    "client_secrets.create": ("realtime.ClientSecretCreateParams", "ClientSecretCreateParams"),
    "sessions.create": ("beta.realtime.SessionCreateParams", "SessionCreateParams"),
    "transcription_sessions.create": (
        "beta.realtime.TranscriptionSessionCreateParams",
        "TranscriptionSessionCreateParams",
    ),
    "translations.client_secrets.create": (
        "realtime.translations.ClientSecretCreateParams",
        "TranslationClientSecretCreateParams",
    ),
}
RESPONSES = {
    "client_secrets.create": ("realtime.ClientSecretCreateResponse", "ClientSecretCreateResponse"),
    "sessions.create": ("beta.realtime.SessionCreateResponse", "RealtimeSessionCreateResponse"),
    "transcription_sessions.create": (
        "beta.realtime.TranscriptionSession",
        "RealtimeTranscriptionSessionCreateResponse",
    ),
    "translations.client_secrets.create": (
        "realtime.RealtimeTranslationClientSecretCreateResponse",
        "TranslationClientSecretCreateResponse",
    ),
    "webhooks.unwrap": ("webhooks.RealtimeCallIncomingWebhookEvent", "RealtimeCallIncoming"),
}
NOT_COMPARED = {
    "calls.hangup": "it has no parameters",
    "connect": "a WebSocket, whose events are not compared; here it is calls.connect",
    "translations.connect": "a WebSocket, which this package does not open",
}
"""The methods of the official `client.realtime` that are not compared, and why."""

DELIBERATE = {
    "request calls.accept.type: is required there": "there is only one, and the client adds it",
    "request sessions.create.client_secret.expires_after.anchor: is required there": (
        "there is only one, and servers add it"
    ),
    "response *: is required there": (
        "servers leave fields out: only a usable secret, or a call's id, is required"
    ),
    "response sessions.create.speed: null is missing": "null becomes the default, 1.0",
}
"""Each deliberate difference (a pattern of the problems that are found), and its reason."""


@dataclass(frozen=True)
class Field:
    hint: object
    is_required: bool


def fields(of: Any) -> dict[str, Field]:
    """Return the fields of a TypedDict or a model."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        of.model_rebuild()
        return {
            name: Field(field.annotation, field.is_required())
            for name, field in of.model_fields.items()
        }
    found: dict[str, Field] = {}
    for name, hint in typing_extensions.get_type_hints(of, include_extras=True).items():
        wrapper: object = get_origin(hint)
        # In their modules annotations are strings, in which TypedDict does not see `Required`.
        is_required = wrapper is Required or (
            name in of.__required_keys__ and wrapper is not NotRequired
        )
        found[name] = Field(hint, is_required)
    return found


def alternatives(hint: Any) -> Iterator[Any]:
    """Yield the members of a union of any depth: classes, literal values, lists, mappings."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {typing.Annotated, Required, NotRequired}:
        yield from alternatives(arguments[0])
    elif origin in {typing.Union, types.UnionType}:
        for each in arguments:
            yield from alternatives(each)
    elif origin is Literal:
        yield from (Literal[each] for each in arguments)
    else:
        yield hint


def items_of(hint: Any) -> Any:
    """Return the type of a list's items; None if the hint is not a list."""
    origin = get_origin(hint)
    is_list = isinstance(origin, type) and not issubclass(origin, collections.abc.Mapping)
    return get_args(hint)[0] if is_list else None


def kind_of(hint: Any) -> str:
    """Return the kind of JSON value that a type stands for."""
    origin = get_origin(hint)
    if origin is Literal:
        return repr(get_args(hint)[0])
    if items_of(hint) is not None:
        return "a list"
    if is_typeddict(hint) or isinstance(origin, type):
        return "an object"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "an object"
    kinds = {bool: "a boolean", int: "an integer", float: "a number", type(None): "null"}
    return kinds.get(hint, "a string" if isinstance(hint, type) and issubclass(hint, str) else "?")


def type_tags(of: Any) -> set[str]:
    """Return the literals of a class's `type`."""
    field = fields(of).get("type")
    each = alternatives(field.hint) if field else ()
    return {str(get_args(hint)[0]) for hint in each if get_origin(hint) is Literal}


def lacking(theirs: Any, ours: Any, path: str) -> Iterator[str]:
    """Yield what the class `ours` lacks of the class `theirs`, and what only `ours` requires."""
    own, official = fields(ours), fields(theirs)
    for name, field in official.items():
        below = f"{path}.{name}"
        if name not in own:
            yield f"{below}: is missing"
            continue
        if field.is_required is not own[name].is_required:
            yield f"{below}: is required {'there' if field.is_required else 'here only'}"
        yield from lacking_in_hint(field.hint, list(alternatives(own[name].hint)), below)
    for name, field in own.items():
        if field.is_required and name not in official:
            yield f"{path}.{name}: is required here only"


def lacking_in_hint(theirs: Any, own: list[Any], path: str) -> Iterator[str]:
    """Yield the members of the union `theirs` that are not among the members `own`."""
    kinds = {kind_of(each) for each in own} | ({"an integer"} if float in own else set[str]())
    items = [item for each in own for item in alternatives(items_of(each))]
    classes = [each for each in own if kind_of(each) == "an object" and get_origin(each) is None]
    for each in alternatives(theirs):
        kind = kind_of(each)
        if object in {each, *own}:  # any JSON value
            continue
        if kind not in kinds:
            yield f"{path}: {kind} is missing"
        elif kind == "a list":
            yield from lacking_in_hint(items_of(each), items, f"{path}[]")
        elif kind == "an object" and classes and get_origin(each) is None:
            yield from lacking_in_nearest(each, classes, path)


def lacking_in_nearest(theirs: Any, ours: list[Any], path: str) -> Iterator[str]:
    """Yield what is lacking in the class of ours that has the same type, or lacks the least."""
    tags = type_tags(theirs)
    same = [each for each in ours if not tags or tags & type_tags(each)] or ours
    name = f"{path}<{','.join(sorted(tags))}>" if len(ours) > 1 and tags else path
    yield from min((list(lacking(theirs, each, name)) for each in same), key=len)


def own_types() -> types.ModuleType:
    """Return a copy of `openai_realtime.types` as type checkers see it: with literals of names."""
    prefix = "openai_realtime.types"
    originals = {name: sys.modules.pop(name) for name in list(sys.modules) if prefix in name}
    try:
        with mock.patch.object(typing, "TYPE_CHECKING", new=True):
            return importlib.import_module(prefix)
    finally:
        for name in [name for name in sys.modules if prefix in name]:
            del sys.modules[name]
        sys.modules.update(originals)
        openai_realtime.types = originals[prefix]


def official_type(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"openai.types.{module}"), name)


def test_nothing_is_missing() -> None:
    own = own_types()
    problems: list[str] = []
    for direction, table in (("request", REQUESTS), ("response", RESPONSES)):
        for method, (theirs, ours) in table.items():
            path = f"{direction} {method}"
            problems += lacking(official_type(theirs), getattr(own, ours), path)
    explained = {
        pattern: [problem for problem in problems if fnmatchcase(problem, pattern)]
        for pattern in DELIBERATE
    }
    assert "\n".join(set(problems).difference(*explained.values())) == ""
    assert [pattern for pattern, found in explained.items() if not found] == []


def methods(resource: object, path: str = "") -> Iterator[str]:
    """Yield the names of the methods of an official resource and of those below it."""
    for name in dir(resource):
        if name.startswith(("_", "with_")):
            continue
        member = getattr(resource, name)
        if inspect.ismethod(member):
            yield f"{path}{name}"
        else:
            yield from methods(member, f"{path}{name}.")


def test_every_method_is_compared() -> None:
    with openai.OpenAI(api_key="sk-x") as client:
        found = set(methods(client.realtime))
        in_beta = {"sessions.create", "transcription_sessions.create"}
        assert found == (REQUESTS.keys() - in_beta) | NOT_COMPARED.keys()
        assert in_beta <= set(methods(client.beta.realtime))


def test_every_region_is_known() -> None:
    hint = typing.get_type_hints(openai.OpenAI.__init__)["data_residency"]
    regions: set[Any] = {get_args(each)[0] for each in alternatives(hint) if get_args(each)}
    assert regions <= set(get_args(providers.Region))
    for region in regions:
        with openai.OpenAI(api_key="sk-x", data_residency=region) as client:
            assert str(client.base_url).rstrip("/") == providers.openai(region=region).base_url


class Leaf(TypedDict):
    type: Literal["leaf"]
    color: Literal["green", "red"]


class Theirs(TypedDict, total=False):
    id: Required[str]
    name: str
    size: float | None
    leaf: Leaf | Literal["none"]
    leaves: list[Leaf]
    gone: bool


class GreenLeaf(TypedDict):
    type: Literal["leaf"]
    color: Literal["green"]


class Ours(TypedDict, total=False):
    id: str
    name: Required[str]
    size: int
    leaf: GreenLeaf
    leaves: list[Leaf]
    other: Required[str]


def test_every_kind_of_difference_is_found() -> None:
    assert set(lacking(Theirs, Ours, "t")) == {
        "t.gone: is missing",
        "t.id: is required there",
        "t.leaf.color: 'red' is missing",
        "t.leaf: 'none' is missing",
        "t.name: is required here only",
        "t.other: is required here only",
        "t.size: a number is missing",
        "t.size: null is missing",
    }
    assert list(lacking(Theirs, Theirs, "t")) == []
