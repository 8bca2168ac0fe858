from __future__ import annotations

from typing import get_type_hints

import pytest

from openai_realtime.cli import parameter_paths
from openai_realtime.types.call import CallAcceptParams, CallCreateParams, CallRejectParams
from openai_realtime.types.session import SessionCreateParams, TranscriptionSessionCreateParams
from openai_realtime.types.translation import TranslationClientSecretCreateParams


@pytest.mark.parametrize(
    ("table", "params"),
    [
        (parameter_paths.SESSION, SessionCreateParams),
        (parameter_paths.TRANSCRIPTION, TranscriptionSessionCreateParams),
        (parameter_paths.TRANSLATION, TranslationClientSecretCreateParams),
        (parameter_paths.CALL, CallAcceptParams),
    ],
)
def test_every_place_is_a_parameter_there_is(table: dict[str, str], params: type) -> None:
    assert {place.partition(".")[0] for place in table.values()} <= get_type_hints(params).keys()


def test_every_parameter_with_an_option_is_one_there_is() -> None:
    every = (
        SessionCreateParams,
        TranslationClientSecretCreateParams,
        CallAcceptParams,
        CallCreateParams,
        CallRejectParams,
    )
    known = {name for params in every for name in get_type_hints(params)}
    assert {name.partition(".")[0] for name in parameter_paths.OPTION_OF} <= known


@pytest.mark.parametrize(
    ("parameter", "option"),
    [
        ("model", "--model"),
        ("max_response_output_tokens", "--max-tokens"),
        ("client_secret.expires_after.seconds", "--ttl"),
        ("expires_after.seconds", "--ttl"),
        ("turn_detection", "--turn-detection"),
        ("session.audio.output.language", "--translate"),
        ("session.audio.output.voice", "--voice"),
        ("audio.output.voice", "--voice"),
        ("status_code", "--status-code"),
    ],
)
def test_the_option_of_a_parameter(parameter: str, option: str) -> None:
    assert parameter_paths.OPTION_OF[parameter] == option
