"""The pytest plugin: it loads nothing until a fixture is used, and its fixtures clear the environment."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from openai_realtime.environment import CLIENT_VARIABLES

pytest_plugins = ["pytester"]


def test_without_a_fixture_it_loads_nothing() -> None:
    program = """
import importlib.metadata, sys, pytest
[plugin] = importlib.metadata.entry_points(group="pytest11", name="openai_realtime")
before = set(sys.modules)
plugin.load()
print(sorted(sys.modules.keys() - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ast.literal_eval(done.stdout) == [
        "openai_realtime",
        "openai_realtime._version",
        "openai_realtime.lazy_imports",
        "openai_realtime.pytest_plugin",
    ]


def test_in_a_run_without_a_fixture_it_loads_nothing_more(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_of_another_project():
            ours = [name for name in sys.modules if name.startswith("openai_realtime")]
            assert len(ours) <= 4, ours
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("fixture", ["realtime_server", "realtime_routes"])
def test_the_fixtures_clear_what_a_client_would_read(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixture: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds to load
    for name in CLIENT_VARIABLES:
        monkeypatch.setenv(name, "not usable")
    pytester.makepyfile(
        f"""
        import os
        from openai_realtime import SyncRealtimeSessionsClient
        from openai_realtime.environment import CLIENT_VARIABLES

        def test_a_client_without_arguments_mints({fixture}):
            with SyncRealtimeSessionsClient() as client:
                assert client.sessions.create(model="gpt-realtime-2.1").client_secret.value
            given = {{"OPENAI_API_KEY", "OPENAI_BASE_URL"}}
            assert given >= set(CLIENT_VARIABLES) & os.environ.keys()
            assert "not usable" not in os.environ.values()

        def test_they_are_set_again_afterwards():
            assert {{os.environ[name] for name in CLIENT_VARIABLES}} == {{"not usable"}}
        """
    )
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-p", "openai_realtime.pytest_plugin", timeout=60
    )
    result.assert_outcomes(passed=2)
