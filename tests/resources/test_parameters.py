"""Parameters: an error names each wrong one and its range, before any byte is sent."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from typing_extensions import get_type_hints

from openai_realtime import ClientSecretCreateResponse, FunctionTool, ParameterError
from openai_realtime.configuration import Configuration
from openai_realtime.providers import azure_preview
from openai_realtime.resources import (
    client_secrets,
    parameter_errors,
    resource,
    transcription_sessions,
    translations,
)
from openai_realtime.resources.calls import ACTIONS
from openai_realtime.resources.create_operation import create_call
from openai_realtime.resources.parameters import Parameters, merge_objects, tool_credentials
from openai_realtime.resources.sessions import CREATE
from openai_realtime.types.call import CallAcceptParameters
from openai_realtime.types.nested_session import ClientSecretParameters
from openai_realtime.types.session import SessionParameters, TranscriptionSessionParameters
from openai_realtime.types.translation import TranslationParameters

CONFIGURATION = Configuration.resolve({"api_key": "sk-x"})


def build(**params: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(create_call(CONFIGURATION, CREATE, params).request.body)
    return body


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"speed": 9}, "speed", "speed must be a number from 0.25 to 1.5"),
        ({"speed": 0.2}, "speed", "speed must be a number from 0.25 to 1.5"),
        ({"speed": "1"}, "speed", "speed must be a number from 0.25 to 1.5"),
        ({"speed": True}, "speed", "speed must be a number from 0.25 to 1.5"),
        ({"speed": float("nan")}, "speed", "speed must be a number from 0.25 to 1.5"),
        ({"temperature": 0}, "temperature", "temperature must be a number from 0.6 to 1.2"),
        (
            {"client_secret": {"expires_after": {"seconds": 5}}},
            "client_secret.expires_after.seconds",
            "client_secret.expires_after.seconds must be a whole number from 10 to 7200",
        ),
        (
            {"client_secret": {"expires_after": {"seconds": 60.0}}},
            "client_secret.expires_after.seconds",
            "must be a whole number from 10 to 7200",
        ),
        (
            {"client_secret": {"expires_after": {"anchor": "now"}}},
            "client_secret.expires_after.anchor",
            "must be 'created_at'",
        ),
        (
            {"turn_detection": {"threshold": 2}},
            "turn_detection.threshold",
            "turn_detection.threshold must be a number from 0 to 1",
        ),
        (
            {"turn_detection": {"silence_duration_ms": -1}},
            "turn_detection.silence_duration_ms",
            "must be a whole number 0 or more",
        ),
        (
            {"turn_detection": {"idle_timeout_ms": 1}},
            "turn_detection.idle_timeout_ms",
            "must be a whole number from 5000 to 30000",
        ),
        (
            {"turn_detection": {"eagerness": "huge"}},
            "turn_detection.eagerness",
            "must be 'low', 'medium', 'high' or 'auto'",
        ),
        ({"turn_detection": {"tresh": 1}}, "turn_detection.tresh", "is not a known parameter"),
        ({"voise": "verse"}, "voise", "did you mean voice?"),
        ({"qqq": "verse"}, "qqq", "qqq is not a known parameter \\(extra_body"),
        ({"voice": None}, "voice", "cannot be None: leave it out"),
        ({"voice": 5}, "voice", r"voice must be text, or a dict \(keys: id\)"),
        ({"voice": {"id": 5}}, "voice.id", "must be text$"),
        ({"modalities": "audio"}, "modalities", "must be a list of texts$"),
        ({"modalities": ["audio", 5]}, "modalities.1", "must be text$"),
        (
            {"max_response_output_tokens": 0},
            "max_response_output_tokens",
            'must be a whole number from 1 to 4096, or "inf"',
        ),
        (
            {"tracing": "on"},
            "tracing",
            r"^tracing must be 'auto', or a dict \(keys: group_id, metadata, workflow_name\)$",
        ),
        ({"tracing": {"group": 1}}, "tracing.group", "is not a known parameter"),
        ({"truncation": {"type": "retention_ratio"}}, "truncation.retention_ratio", "is required"),
        ({"tools": [{"type": "function"}]}, "tools.0.name", "is required"),
        ({"tools": {}}, "tools", "^tools must be a list of dicts$"),
        ({"tools": "f"}, "tools", "^tools must be a list of dicts$"),
        (
            {"tools": [5]},
            "tools.0",
            r"^tools.0 must be a dict \(keys: description, name, parameters, type\), or a FunctionTool$",
        ),
        (
            {"tools": [{"type": "function", "name": "f", "strict": True}]},
            "tools.0.strict",
            r"parameter \(extra_body sends .*, but replaces a whole list: write all of it there\)$",
        ),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": {"x": object()}}]},
            "tools.0.parameters.x",
            "must be a JSON value$",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "s"}]},
            "tools.0",
            r"^tools.0 is an MCP tool, .*: use client_secrets.create\(session=…\)$",
        ),
        (
            {"tool_choice": {"type": "mcp", "server_label": "s"}},
            "tool_choice",
            r"^tool_choice is an MCP tool, .*: use client_secrets.create\(session=…\)$",
        ),
        *[
            (wrong, param, f"^{param} has no member function here: put its members beside type$")
            for wrong, param in (
                ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools.0"),
                ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
            )
        ],
        *[
            ({"turn_detection": off}, param, "; None as turn_detection switches it off$")
            for off, param in (
                (False, "turn_detection"),
                ("none", "turn_detection"),
                ("", "turn_detection"),
                ({"type": "none"}, "turn_detection.type"),
                ({"type": "Off"}, "turn_detection.type"),
            )
        ],
        (
            {"input_audio_noise_reduction": {"type": "off"}},
            "input_audio_noise_reduction.type",
            "or 'far_field'; None as input_audio_noise_reduction switches it off$",
        ),
        ({"tracing": "none"}, "tracing", r"workflow_name\); None as tracing switches it off$"),
        ({"voice": "", "speed": False}, "speed", "from 0.25 to 1.5$"),
        *[
            ({"voice": marker}, "voice", "^voice is omit or NOT_GIVEN: leave it out instead$")
            for marker in (openai.omit, openai.NOT_GIVEN, resource.NOT_GIVEN)
        ],
        ({"tools": [openai.omit]}, "tools.0", "^tools.0 is omit or NOT_GIVEN"),
        ({"prompt": {}}, "prompt.id", "prompt.id is required"),
        ({"self": 1}, "self", "self is not a known parameter"),
        ({"Voice": "verse"}, "Voice", "did you mean voice?"),
        ({"tracing": {"metadata": {"x": float("nan")}}}, "tracing.metadata.x", "finite numbers"),
    ],
)
def test_what_is_wrong_is_told(params: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        build(**params)
    assert caught.value.param == param
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


ODD: list[Any] = [5, "none", b"x", {}, [], [5], {"type": "x"}, {"x": 1}, None, True, object()]
OF_PYDANTIC = re.compile(r"Input|valid |instance|dictionary|discriminator|union|Sequence|Error")


def odd_parameters(typed_dict: type) -> Iterator[dict[str, Any]]:
    """Yield parameters with one odd value, at every place below a TypedDict."""
    hints = get_type_hints(typed_dict, include_extras=True)
    kind: Any = hints.get("type")
    while get_args(kind):  # Required[Literal["realtime"]]
        kind = get_args(kind)[0]
    rest = {"type": kind} if kind is not None else {}
    for name, hint in hints.items():
        yield from ({**rest, name: odd} for odd in ODD)
        for _, inner in parameter_errors._typed_dicts(hint):
            for odd in odd_parameters(inner):
                yield from ({**rest, name: odd}, {**rest, name: [odd]})


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("parameters", "typed_dict"),
    [
        (CREATE.parameters, SessionParameters),
        (transcription_sessions.CREATE.parameters, TranscriptionSessionParameters),
        (client_secrets.CREATE.parameters, ClientSecretParameters),
        (translations.CREATE.parameters, TranslationParameters),
        (ACTIONS["accept"], CallAcceptParameters),
    ],
)
def test_no_message_has_the_words_of_pydantic(parameters: Parameters, typed_dict: type) -> None:
    messages: set[str] = set()
    for odd in odd_parameters(typed_dict):
        try:
            parameters.validate(odd)
        except ParameterError as error:
            messages.add(str(error))
    assert len(messages) > 20
    assert [message for message in messages if OF_PYDANTIC.search(message)] == []


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("timout", "timeout"),
        ("safety_identifer", "safety_identifier"),
        ("extra_header", "extra_headers"),
    ],
)
def test_a_misspelt_option_is_told_too(misspelt: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=rf"known parameter: did you mean {meant}\?"):
        build(**{misspelt: 1})


@pytest.mark.parametrize(
    ("parameters", "params", "param", "meant"),
    [
        (CREATE.parameters, {"turn_detection": {"treshold": 1}}, "treshold", "threshold"),
        (CREATE.parameters, {"voice": {"idd": "v", "id": "v"}}, "idd", "id"),
        (CREATE.parameters, {"tracing": {"groupid": "g"}}, "groupid", "group_id"),
        (
            CREATE.parameters,
            {"client_secret": {"expires_after": {"second": 60}}},
            "second",
            "seconds",
        ),
        (
            CREATE.parameters,
            {"tools": [{"type": "function", "name": "f", "parameter": {}}]},
            "parameter",
            "parameters",
        ),
        (
            client_secrets.CREATE.parameters,
            {"session": {"type": "realtime", "instruction": "x"}},
            "instruction",
            "instructions",
        ),
        (
            client_secrets.CREATE.parameters,
            {"session": {"audio": {"input": {"turn_detection": {"type": "server_vad", "treshold": 1}}}}},
            "treshold",
            "threshold",
        ),
        (
            client_secrets.CREATE.parameters,
            {"session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "s", "server_uri": "u"}]}},
            "server_uri",
            "server_url",
        ),
        (ACTIONS["accept"], {"audio": {"output": {"voise": "v"}}}, "voise", "voice"),
    ],
)  # fmt: skip
def test_a_misspelt_nested_key_gets_a_suggestion(
    parameters: Parameters, params: dict[str, Any], param: str, meant: str
) -> None:
    with pytest.raises(ParameterError, match=rf"known parameter: did you mean {meant}\?") as caught:
        parameters.validate(params)
    assert str(caught.value).split(" ")[0].endswith(f".{param}")


@pytest.mark.parametrize(
    ("parameters", "params"),
    [
        # A key of another member of the union, of another place, or an option.
        (
            client_secrets.CREATE.parameters,
            {"session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad", "treshold": 1}}}}},
        ),
        (
            client_secrets.CREATE.parameters,
            {"session": {"type": "transcription", "instruction": "x"}},
        ),
        (CREATE.parameters, {"turn_detection": {"voise": 1}}),
        (CREATE.parameters, {"turn_detection": {"timout": 1}}),
    ],
)  # fmt: skip
def test_only_what_the_place_takes_is_suggested(
    parameters: Parameters, params: dict[str, Any]
) -> None:
    with pytest.raises(ParameterError, match=r"is not a known parameter \(extra_body"):
        parameters.validate(params)


def test_an_option_is_not_meant_where_there_is_none() -> None:
    with pytest.raises(ParameterError, match=r"timeout is not a known parameter \("):
        CREATE.parameters.validate({"timeout": 1})


@pytest.mark.parametrize(
    ("parameters", "params", "message"),
    [
        (
            CREATE.parameters,
            {"audio": {}},
            "audio belongs to the nested shape: use client_secrets.cre",
        ),
        (CREATE.parameters, {"type": "realtime"}, "type belongs to the nested shape: use client_s"),
        (
            transcription_sessions.CREATE.parameters,
            {"type": "transcription"},
            "type belongs to the nested shape: use client_s",
        ),
        (CREATE.parameters, {"session": {}}, r"shape: use client_secrets.create\(session=…\)"),
        (CREATE.parameters, {"expires_after": {}}, "set by client_secret={'expires_after': …}"),
        (CREATE.parameters, {"output_modalities": []}, "output_modalities is modalities here"),
        (
            transcription_sessions.CREATE.parameters,
            {"model": "gpt-transcribe"},
            "model is set by input_audio_transcription={'model': …}",
        ),
        (client_secrets.CREATE.parameters, {"voice": "v"}, "voice is session.audio.output.voice h"),
        (client_secrets.CREATE.parameters, {"client_secret": {}}, "client_secret is expires_after"),
        *[
            (
                client_secrets.CREATE.parameters,
                {"session": {"type": "realtime", name: 1}},
                f"^session.{name} {message}$",
            )
            for name, message in (
                ("voice", "is session.audio.output.voice here"),
                ("modalities", "is session.output_modalities here"),
                ("temperature", "does not exist in the nested shape: leave it out"),
            )
        ],
        (ACTIONS["accept"], {"turn_detection": {}}, "is audio.input.turn_detection here"),
    ],
)
def test_a_name_of_the_other_shape_is_told_where_it_stands(
    parameters: Parameters, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        parameters.encode(params)
    assert "extra_body" not in str(caught.value)


STRENGTH: dict[str, Any] = {"type": "far_field", "strength": 1.5}


@pytest.mark.parametrize(
    ("parameters", "params"),
    [
        (CREATE.parameters, {"input_audio_noise_reduction": STRENGTH}),
        (CREATE.parameters, {"input_audio_noise_reduction": {"strength": 0}}),
        (transcription_sessions.CREATE.parameters, {"input_audio_noise_reduction": STRENGTH}),
        (ACTIONS["accept"], {"audio": {"input": {"noise_reduction": STRENGTH}}}),
        (ACTIONS["accept"], {"reasoning": {"effort": "none"}, "parallel_tool_calls": False}),
        *[
            (
                client_secrets.CREATE.parameters,
                {"session": {"type": kind, "audio": {"input": {"noise_reduction": STRENGTH}}}},
            )
            for kind in ("realtime", "transcription")
        ],
        (
            translations.CREATE.parameters,
            {"session": {"model": "m", "audio": {"input": {"noise_reduction": STRENGTH}}}},
        ),
    ],
)
def test_what_is_new_in_the_nested_shape_is_accepted(
    parameters: Parameters, params: dict[str, Any]
) -> None:
    assert json.loads(parameters.encode(params)) == params


@pytest.mark.parametrize("strength", [-0.1, float("inf"), float("nan"), "1", True, None])
def test_the_strength_of_noise_reduction_is_checked(strength: object) -> None:
    with pytest.raises(ParameterError, match="must be a number 0 or more|cannot be None"):
        build(input_audio_noise_reduction={"strength": strength})


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(ParameterError, match="lone surrogate"):
        build(instructions="\ud800")


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        build(speed=9, temperature=9, voise="x")
    assert str(caught.value).count(";") == 2


def test_a_wrong_value_is_not_quoted() -> None:
    with pytest.raises(ParameterError) as caught:
        build(speed="sk-0123456789", voice={"id": ["sk-0123456789"]})
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "total must be a finite number of seconds"),
        (
            {"timeout": "soon"},
            r"must be a number of seconds, or openai_realtime.Timeout\(30, connect=5",
        ),
        ({"extra_headers": []}, "must be a mapping"),
        ({"extra_headers": {"Authorization": "x"}}, "Authorization is set by the client"),
        ({"extra_headers": {"HOST": "x"}}, "HOST is set by the client"),
        ({"extra_headers": {"content-Length": "1"}}, "set by the client"),
        ({"extra_headers": {"Transfer-Encoding": "chunked"}}, "set by the client"),
        ({"extra_headers": {"X-A": "a\r\nB: c"}}, "X-A must be visible ASCII"),
        ({"extra_headers": {"X-A": "é"}}, "X-A must be visible ASCII"),
        ({"extra_headers": {"X-A": 7}}, "X-A must be visible ASCII"),
        ({"extra_headers": {"X A": "b"}}, "name is not valid"),
        ({"extra_headers": {7: "b"}}, "name is not valid"),
        ({"safety_identifier": "x" * 65}, "1 to 64 characters"),
        ({"safety_identifier": ""}, "1 to 64 characters"),
        ({"safety_identifier": "ada@\n"}, "safety_identifier must be visible ASCII"),
        ({"extra_body": ["x"]}, "extra_body must be a mapping"),
        ({"extra_body": {"x": object()}}, "extra_body must be a mapping of names to JSON"),
        ({"extra_body": {1: 2}}, "extra_body must be a mapping"),
        ({"extra_body": {"x": float("inf")}}, "extra_body must be a mapping"),
        ({"extra_body": {"x": "\ud800"}}, "lone surrogate"),
        ({"extra_query": 5}, "extra_query must be a mapping"),
        ({"extra_query": {"a": 5}}, "extra_query must be a mapping"),
        ({"extra_query": {"a": "\ud800"}}, "extra_query must be a mapping"),
        *[
            ({name: openai.omit}, f"^{name} is omit or NOT_GIVEN: leave it out instead$")
            for name in ("timeout", "strict", "extra_headers", "extra_body", "safety_identifier")
        ],
        ({"safety_identifier": SecretStr("x")}, "not a SecretStr: call .get_secret_value"),
        ({"extra_headers": {"X-A": SecretStr("x")}}, "not a SecretStr: call .get_secret_value"),
        ({"safety_identifier": "a\nb"}, "safety_identifier must be visible ASCII text"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        build(**options)
    assert caught.value.param in {next(iter(options)), None}


def test_options_that_are_none_are_absent() -> None:
    none: dict[str, Any] = dict.fromkeys(
        ["timeout", "safety_identifier", "strict", "extra_headers", "extra_query", "extra_body"]
    )
    assert create_call(CONFIGURATION, CREATE, none) is not None
    assert build(**none) == {}


def test_a_callers_header_or_query_takes_the_place_of_ours() -> None:
    provider = azure_preview("https://h.example", "d")
    configuration = Configuration.resolve({"provider": provider, "api_key": "k"})
    options: dict[str, Any] = {
        "extra_headers": {"user-agent": "mine"},
        "extra_query": {"api-version": "2", "x": "1"},
    }
    request = create_call(configuration, CREATE, options).request
    assert [value for name, value in request.headers if name.lower() == b"user-agent"] == [b"mine"]
    assert request.url.endswith("/sessions?api-version=2&x=1")
    with pytest.raises(ParameterError, match="Api-Key is set by the client"):
        create_call(configuration, CREATE, {"extra_headers": {"Api-Key": "x"}})


def test_extra_body_is_laid_over_the_parameters() -> None:
    body = build(
        turn_detection={"type": "server_vad", "threshold": 0.3},
        voice="verse",
        extra_body={"turn_detection": {"threshold": 5, "aura": 1}, "voice": None, "new": [1]},
    )
    assert body == {
        "turn_detection": {"type": "server_vad", "threshold": 5, "aura": 1},
        "voice": None,
        "new": [1],
    }


NAMES = st.sampled_from("abc")  # few, so that both sides have some of them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)
OBJECT = st.dictionaries(NAMES, JSON)


@given(OBJECT, OBJECT)
def test_merging_changes_neither_side(value: Any, extra: Any) -> None:
    before = json.dumps([value, extra])
    merged: Any = merge_objects(value, extra)
    assert json.dumps([value, extra]) == before
    assert merge_objects(merged, extra) == merged
    assert merged.keys() == value.keys() | extra.keys()


def test_nested_tools_are_dicts_made_from_functions_or_mcp_servers() -> None:
    def lookup(name: str) -> str:
        """Look somebody up."""
        raise NotImplementedError(name)

    mcp = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
    made = FunctionTool.from_function(lookup)
    session: Any = {"type": "realtime", "tools": [{"type": "function", "name": "f"}, mcp, made]}
    body = json.loads(client_secrets.CREATE.parameters.encode({"session": session}))
    assert [tool.get("name") for tool in body["session"]["tools"]] == ["f", None, "lookup"]
    assert body["session"]["tools"][1] == mcp


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (
            {"turn_detection": {"type": "x"}},
            'turn_detection must be a dict whose type is "server',
        ),
        ({"turn_detection": {}}, "turn_detection must be a dict whose type"),
        ({"turn_detection": "x"}, "turn_detection must be a dict whose type"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2}},
            "session.audio.input.turn_detection.threshold must be a number from 0 to 1",
        ),
        ({"turn_detection": {"type": "semantic_vad", "threshold": 1}}, "threshold is not a known"),
        (
            {"format": {"type": "audio/pcm", "rate": 8000}},
            "session.audio.input.format.rate must be",
        ),
    ],
)
def test_what_is_wrong_deep_inside_is_told(audio: dict[str, Any], message: str) -> None:
    session = {"type": "realtime", "audio": {"input": audio}}
    with pytest.raises(ParameterError, match=message):
        client_secrets.CREATE.parameters.encode({"session": session})


def test_a_nested_answer_round_trips_as_models() -> None:
    answer = ClientSecretCreateResponse.model_validate(
        {
            "value": "ek_1",
            "session": {
                "type": "realtime",
                "tools": [{"type": "mcp", "server_label": "s"}, {"type": "function", "name": "f"}],
            },
        }
    )
    again = ClientSecretCreateResponse.model_validate(dict(answer))
    assert again == answer
    assert (
        json.loads(answer.model_dump_json(exclude_unset=True))["session"]["tools"][1]["name"] == "f"
    )


def test_tools_are_dicts_or_made_from_functions() -> None:
    def lookup(name: str) -> str:
        """Look somebody up."""
        raise NotImplementedError(name)

    plain: Any = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    body = build(tools=[plain, FunctionTool.from_function(lookup)])
    assert body["tools"][0] == plain
    assert body["tools"][1]["name"] == "lookup"
    assert body["tools"][1]["description"] == "Look somebody up."
    assert body["tools"][1]["parameters"]["required"] == ["name"]
    assert "description" not in build(tools=[FunctionTool(name="f")])["tools"][0]


TURN_DETECTION = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["server_vad", "semantic_vad"]),
        "threshold": st.floats(0, 1),
        "prefix_padding_ms": st.integers(0, 10_000),
        "silence_duration_ms": st.integers(0, 10_000),
        "idle_timeout_ms": st.none() | st.integers(5000, 30000),
        "eagerness": st.sampled_from(["low", "medium", "high", "auto"]),
        "create_response": st.booleans(),
        "interrupt_response": st.booleans(),
    },
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "model": TEXT,
        "modalities": st.lists(st.sampled_from(["text", "audio"])),
        "instructions": TEXT,
        "voice": TEXT | st.fixed_dictionaries({"id": TEXT}),
        "input_audio_format": TEXT,
        "turn_detection": st.none() | TURN_DETECTION,
        "speed": st.floats(0.25, 1.5),
        "temperature": st.floats(0.6, 1.2),
        "max_response_output_tokens": st.integers(1, 4096) | st.just("inf"),
        "tool_choice": TEXT | st.fixed_dictionaries({"type": st.just("function"), "name": TEXT}),
        "tracing": st.none()
        | st.just("auto")
        | st.fixed_dictionaries({}, optional={"group_id": TEXT}),
        "include": st.none() | st.lists(TEXT),
        "client_secret": st.fixed_dictionaries(
            {"expires_after": st.fixed_dictionaries({"seconds": st.integers(10, 7200)})}
        ),
    },
)


@settings(max_examples=80)
@given(PARAMS)
def test_params_to_json_to_params(params: dict[str, Any]) -> None:
    encoded = CREATE.parameters.encode(params)
    assert json.loads(encoded) == params
    assert CREATE.parameters.encode(json.loads(encoded)) == encoded


def test_the_credentials_of_tools_are_found_beside_what_is_no_tool() -> None:
    tool: dict[str, Any] = {"authorization": "Bearer oauth", "headers": {"X-Key": "key"}}
    found = tool_credentials({"session": {"tools": ["not a tool", tool, {"headers": None}]}})
    assert {"Bearer oauth", "oauth", "key"} <= set(found)
    assert tool_credentials({"tools": ["not a tool"]}) == ()
