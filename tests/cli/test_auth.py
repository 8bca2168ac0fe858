"""Who may get a secret from `openai-realtime serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from openai_realtime.cli import auth
from openai_realtime.errors import ConfigurationError

if TYPE_CHECKING:
    from cli.command_runners import Invoke

TOKEN = "a-token-of-sixteen-characters"


def request_from(
    peer: str | None = "127.0.0.1", /, *more: tuple[bytes, bytes], **headers: str
) -> Request:
    return Request(
        {
            "type": "http",
            "client": peer and (peer, 1),
            "headers": [
                *more,
                *(
                    (name.replace("_", "-").encode(), value.encode())
                    for name, value in headers.items()
                ),
            ],
        }
    )


@pytest.mark.parametrize(
    ("peer", "headers", "is_accepted"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8000"}, True),
        ("127.0.0.1", {"host": "localhost"}, True),
        ("::1", {"host": "[::1]:8000"}, True),
        ("::1", {"host": "[::1]"}, True),
        ("192.0.2.1", {"host": "localhost"}, False),
        (None, {"host": "localhost"}, False),
        ("127.0.0.1", {"host": "evil.example:8000"}, False),
        ("127.0.0.1", {"host": "localhost.evil.example"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"host": "[::1%evil.example]:8000"}, False),
        ("::1%evil", {"host": "localhost"}, False),
        *[
            ("127.0.0.1", {"host": "localhost", name: "127.0.0.1"}, False)
            for name in (
                "cf-connecting-ip",
                "forwarded",
                "via",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-port",
                "x-forwarded-proto",
                "x-forwarded-server",
                "x-real-ip",
            )
        ],
    ],
)
def test_anyone_on_this_machine(
    peer: str | None, headers: dict[str, str], is_accepted: bool
) -> None:
    authorize: Any = auth.anyone_on_this_machine()
    principal = asyncio.run(authorize(request_from(peer, **headers)))
    assert principal == ("this-machine" if is_accepted else None)


@pytest.mark.parametrize("second", [b"evil.example", b"localhost"])
def test_two_host_headers_are_refused(second: bytes) -> None:
    authorize: Any = auth.anyone_on_this_machine()
    request = request_from("127.0.0.1", (b"host", b"localhost"), (b"host", second))
    assert asyncio.run(authorize(request)) is None


def test_a_token_names_its_principal() -> None:
    lines = ["# who may talk", "", f"alice {TOKEN}", "another-token-of-that-length"]
    authorize: Any = auth.bearer_tokens("--token-file", "\n".join(lines))

    def principal(header: str) -> str | None:
        named: str | None = asyncio.run(authorize(request_from(authorization=header)))
        return named

    assert principal(f"Bearer {TOKEN}") == "alice"
    assert principal(f"bearer  {TOKEN} ") == "alice"
    unnamed = principal("Bearer another-token-of-that-length")
    assert unnamed is not None
    assert unnamed.startswith("token-")
    assert "another" not in unnamed
    for wrong in ("", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer alice", f"Bearer {TOKEN}x"):
        assert principal(wrong) is None
    with pytest.raises(
        ConfigurationError, match="--token-file: line 2 is unusable: it must be a t"
    ):
        auth.bearer_tokens("--token-file", f"{TOKEN}\nalice of wonderland {TOKEN}")


@pytest.mark.parametrize("source", ["--token-file", "OPENAI_REALTIME_SERVE_TOKENS"])
def test_a_long_name_is_no_token_in_a_file_or_a_variable(
    source: str,
    invoke: Invoke,
    served: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "a-name-of-more-than-sixteen-characters"
    text = f"# who may talk\n{name} {TOKEN}\r\n\n  {TOKEN[::-1]}\n"
    arguments = ["serve", "--mock", "--port=0"]
    if source == "--token-file":
        path = tmp_path / "tokens"
        path.write_text(text)
        path.chmod(0o600)
        arguments += [source, str(path)]
    else:
        monkeypatch.setenv(source, text)
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "warning" not in result.stderr
    authorize = served[0]["authorize"]

    def principal(token: str) -> str | None:
        named: str | None = asyncio.run(authorize(request_from(authorization=f"Bearer {token}")))
        return named

    assert principal(TOKEN) == name
    assert str(principal(TOKEN[::-1])).startswith("token-")
    assert principal(name) is None


def test_a_function_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_login.py").write_text("class Login:\n    def who(request): return 'me'\n")
    monkeypatch.chdir(tmp_path)
    authorize: Any = auth.named_function("my_login:Login.who")
    assert authorize(None) == "me"
