"""The official SDKs work with the mock in place of the API.

Where an SDK is not installed, its test is skipped. The JavaScript SDK is expected in the folder that
`OPENAI_NPM` names, into which `npm ci` put the packages of `.ci/npm`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from executables import npm_package, program

from openai_realtime.testing import MockRealtimeServer


def test_python(realtime_server: MockRealtimeServer) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(
        base_url=realtime_server.base_url, api_key=realtime_server.api_key, max_retries=0
    ) as client:
        minted = client.realtime.client_secrets.create(
            session={"type": "realtime", "audio": {"output": {"voice": "verse"}}}
        )
        assert minted.value.startswith("ek_")
        assert minted.session.audio.output.voice == "verse"
        with openai.OpenAI(
            base_url=realtime_server.base_url, api_key=minted.value, max_retries=0
        ) as phone:
            call = phone.realtime.calls.create(sdp="v=0\r\n")
            assert call.response.headers["location"].startswith("/v1/realtime/calls/rtc_")
            with pytest.raises(openai.AuthenticationError):
                phone.realtime.client_secrets.create()


def test_javascript(realtime_server: MockRealtimeServer) -> None:
    folder = str(npm_package("openai").parents[1])
    script = str(Path(__file__).with_name("mint.mjs"))
    done = subprocess.run(
        [program("node"), script, folder, realtime_server.base_url, realtime_server.api_key],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["minted"]["value"].startswith("ek_")
    assert printed["minted"]["session"]["audio"]["output"]["voice"] == "verse"
    assert printed["refused"] == {"name": "AuthenticationError", "status": 401}
