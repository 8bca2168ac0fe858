"""A typed function becomes a tool."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from rich.pretty import pretty_repr

from openai_realtime import FunctionTool, ParameterError
from openai_realtime.types.nested_session import NestedRealtimeSession
from openai_realtime.types.tools import McpApproval, McpTool, McpToolFilter, read_docstring


class Place(BaseModel):
    city: str
    country: str = "DE"


def weather(
    place: Place,
    days: Annotated[int, Field(ge=1, le=7, description="How far ahead.")] = 3,
    *,
    unit: Literal["C", "F"] = "C",
) -> str:
    """Tell the weather.

    Call it when a person plans a trip.

    Args:
        place: Where: a city,
            with its country.
        days: Not this text; the annotation has its own.
        unit (str): Celsius or Fahrenheit.
        gone: A parameter there is no more.

    Returns:
        A sentence.
    """
    raise NotImplementedError(place, days, unit)


def test_signature_annotations_and_docstring() -> None:
    tool = FunctionTool.from_function(weather)
    assert (tool.type, tool.name) == ("function", "weather")
    assert tool.description == "Tell the weather.\n\nCall it when a person plans a trip."
    assert tool.parameters is not None
    properties: Any = tool.parameters["properties"]
    assert tool.parameters["required"] == ["place"]
    assert tool.parameters["additionalProperties"] is False
    assert properties["days"] == {
        "default": 3,
        "description": "How far ahead.",
        "maximum": 7,
        "minimum": 1,
        "type": "integer",
    }
    assert properties["unit"] == {
        "default": "C",
        "description": "Celsius or Fahrenheit.",
        "enum": ["C", "F"],
        "type": "string",
    }
    assert properties["place"]["description"] == "Where: a city, with its country."


def test_a_bare_function() -> None:
    def hang_up() -> None:
        raise NotImplementedError

    tool = FunctionTool.from_function(hang_up)
    assert tool.model_dump(exclude_unset=True) == {
        "type": "function",
        "name": "hang_up",
        "parameters": {"additionalProperties": False, "properties": {}, "type": "object"},
    }


def untyped(a):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - wrong on purpose
    raise NotImplementedError(a)


def positional(a: int, /) -> None:
    raise NotImplementedError(a)


def variadic(*numbers: int) -> None:
    raise NotImplementedError(numbers)


def with_a_callable(then: Callable[[], int]) -> None:
    raise NotImplementedError(then)


def with_the_undefined(place: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - wrong on purpose
    raise NotImplementedError(place)


def named_as_no_tool_can_be_named_because_it_is_much_too_long_for_any_of_them() -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (untyped, "a has no type annotation"),
        (positional, "a can only be passed by position"),
        (variadic, "numbers can only be passed by position"),
        (lambda: None, "is not a tool name"),
        (with_a_callable, "its annotations have no JSON Schema"),
        (with_the_undefined, "its annotations have no JSON Schema"),
        (
            named_as_no_tool_can_be_named_because_it_is_much_too_long_for_any_of_them,
            "is not a tool name",
        ),
    ],
)
def test_what_cannot_be_a_tool(function: Any, why: str) -> None:
    with pytest.raises(ParameterError, match=why) as caught:
        FunctionTool.from_function(function)
    assert caught.value.param == "tools"


NUMPY = """Tell the weather.

    Titles
    ------
    are prose.

    Parameters
    ----------
    place : Place
        Where: a city,
        with its country.
    days : int, optional
        How far

        ahead.
    low, high : float
        Limits.
    untold : int

    Other Parameters
    ----------------
    unit : {"C", "F"}
        Celsius or Fahrenheit.
    **rest
        Ignored.

    Returns
    -------
    str
        A sentence.
    """


@pytest.mark.parametrize(
    ("docstring", "prose", "arguments"),
    [
        ("", "", {}),
        ("Does it.", "Does it.", {}),
        ("Does it.\n\nReturns:\n    x: no argument", "Does it.", {}),
        ("Does it.\n\nRaises:\n    x: y\n\nArgs:\n    a: b\n", "Does it.", {"a": "b"}),
        ("Does.\n\n:param a: one\n    more\n:param int b: two\n:returns: x", "Does.", {"a": "one more", "b": "two"}),
        ("Does.\n:return: x", "Does.", {}),
        ("\nArgs:\n    *args: many\n    **named: more\n\n    c: after a gap", "", {"args": "many", "named": "more", "c": "after a gap"}),
        ("Does.\n\nArgs:\n    a: one\n\nKeyword Args:\n    b (int): two,\n        more\n\nRaises:\n    x: y", "Does.", {"a": "one", "b": "two, more"}),
        ("Does.\n\nKeyword Arguments:\n  a: b\nNot indented", "Does.", {"a": "b"}),
        (NUMPY, "Tell the weather.\n\nTitles\n------\nare prose.", {"place": "Where: a city, with its country.", "days": "How far ahead.", "low": "Limits.", "high": "Limits.", "unit": "Celsius or Fahrenheit.", "rest": "Ignored."}),
        ("Parameters\n----------\na\n    one", "", {"a": "one"}),
        ("Parameters\n----------\na : int", "", {}),
        ("Returns\n-------\nx : int\n    no argument\n", "", {}),
        ("Note: this is prose.\n\nArguments:\n  a(int): b\nNot indented", "Note: this is prose.", {"a": "b"}),
    ],
)  # fmt: skip
def test_docstrings(docstring: str, prose: str, arguments: dict[str, str]) -> None:
    assert read_docstring(docstring) == (prose, arguments)


TOKEN = "an-oauth-token-of-an-mcp-server"
MCP: dict[str, Any] = {
    "type": "mcp",
    "server_label": "calendar",
    "connector_id": "connector_googlecalendar",
    "authorization": TOKEN,
    "headers": {"X-Tenant": TOKEN, "X-Long": TOKEN * 1000, "X-Empty": ""},
    "allowed_tools": {"tool_names": ["read"], "read_only": True},
    "allowed_callers": ["direct", "someone new"],
    "require_approval": {"always": {"read_only": False}, "never": {"tool_names": ["read"]}},
}


def test_an_mcp_server_in_a_response_has_its_types() -> None:
    tool = McpTool.model_validate_json(json.dumps(MCP))
    assert json.loads(tool.model_dump_json(exclude_unset=True)) == MCP
    assert (tool.authorization, (tool.headers or {})["X-Tenant"]) == (TOKEN, TOKEN)
    assert isinstance(tool.allowed_tools, McpToolFilter)
    assert tool.allowed_tools.tool_names == ["read"]
    assert isinstance(tool.require_approval, McpApproval)
    assert tool.require_approval.always == McpToolFilter(read_only=False)
    tool = McpTool.model_validate({"allowed_tools": ["read"], "require_approval": "always"})
    assert (tool.allowed_tools, tool.require_approval) == (["read"], "always")
    assert McpTool.model_validate(dict.fromkeys(MCP)).headers is None


def test_the_credentials_of_an_mcp_server_are_masked_and_not_pickled() -> None:
    tool = NestedRealtimeSession.model_validate({"tools": [MCP]})
    for shown in (repr(tool), str(tool), pretty_repr(tool), repr(tool.model_dump())):
        assert TOKEN not in shown
        assert "calendar" in shown
    with pytest.raises(
        TypeError, match=r"McpCredential is a secret .*: to pickle its value, pass str\(secret\)"
    ):
        pickle.dumps(tool)


def test_a_copy_of_a_tool_keeps_its_function() -> None:
    tool = FunctionTool.from_function(weather)
    for copied in (copy.copy(tool), copy.deepcopy(tool), tool.model_copy()):
        assert copied.function is weather
        assert copied == tool
    assert FunctionTool(name="weather").function is None
