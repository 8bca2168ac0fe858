from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from openai_realtime import (
    AzureManagedIdentity,
    GcpMetadata,
    SubjectTokenFile,
    SubjectTokenSource,
    providers,
    workload_identity,
)
from openai_realtime.cli.options import (
    ConnectionOptions,
    ProviderOptions,
    given_options,
    option,
    with_options,
)
from openai_realtime.cli.parameters import option_name
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.providers import Provider


@dataclass(kw_only=True)
class Shape:
    size: int = option(None, "NUMBER", "How large.", "--large", default=MISSING)
    colour: str = option("Paint", "NAME", "Which colour.", default="red")


@dataclass(kw_only=True)
class RoundShape(Shape):
    radius: float | None = option(None, "NUMBER", "How round.")


seen: list[object] = []


def draw(name: str, *, shape: RoundShape, quiet: bool = False) -> None:
    """Draw a shape."""
    seen.append((name, shape, quiet))


def test_a_dataclass_stands_for_its_fields() -> None:
    command = with_options(draw)
    signature = inspect.signature(command)
    assert list(signature.parameters) == ["name", "size", "colour", "radius", "quiet"]
    size = get_args(signature.parameters["size"].annotation)
    assert size == (int, fields(Shape)[0].metadata["parameter"])
    assert (size[1].metavar, size[1].help) == ("NUMBER", "How large.")
    assert signature.parameters["size"].default is inspect.Parameter.empty
    assert signature.parameters["colour"].default == "red"
    colour = get_args(signature.parameters["colour"].annotation)[1]
    assert colour.rich_help_panel == "Paint"
    assert (command.__name__, command.__doc__) == ("draw", "Draw a shape.")


def test_the_command_gets_the_dataclass() -> None:
    seen.clear()
    command = with_options(draw)
    command(name="a", size=1, colour="blue", radius=None, quiet=True)
    assert seen == [("a", RoundShape(size=1, colour="blue"), True)]


def test_typer_takes_the_options() -> None:
    seen.clear()
    app = typer.Typer()
    app.command()(with_options(draw))
    assert CliRunner().invoke(app, ["a", "--large", "3", "--radius", "0.5"]).exit_code == 0
    assert seen == [("a", RoundShape(size=3, colour="red", radius=0.5), False)]
    assert CliRunner().invoke(app, ["a"]).exit_code == 2


def test_zero_is_a_given_option() -> None:
    assert given_options(RoundShape(size=0, colour="", radius=0.0)) == {
        "size": 0,
        "colour": "",
        "radius": 0.0,
    }
    assert given_options(Shape(size=1, colour="red")) == {"size": 1, "colour": "red"}


def test_an_options_name_has_dashes() -> None:
    assert option_name("max_tokens") == "--max-tokens"


ENDPOINT = "https://mine.openai.azure.com"
PREVIEW = {
    "provider": "azure-preview",
    "endpoint": ENDPOINT,
    "deployment": "mine",
}


@pytest.mark.parametrize(
    ("options", "provider"),
    [
        ({}, None),
        ({"base_url": "https://gateway.example/v1", "allow_http": True}, None),
        ({"provider": "openai"}, providers.openai()),
        ({"provider": "openai", "region": "eu"}, providers.openai(region="eu")),
        ({"provider": "azure", "endpoint": ENDPOINT}, providers.azure(ENDPOINT)),
        (
            {"provider": "azure", "endpoint": ENDPOINT, "azure_auth": "token"},
            providers.azure(ENDPOINT, auth="token"),
        ),
        (PREVIEW, providers.azure_preview(ENDPOINT, "mine")),
        (
            {**PREVIEW, "api_version": "2024-10-01-preview", "azure_auth": "key"},
            providers.azure_preview(ENDPOINT, "mine", "2024-10-01-preview", auth="key"),
        ),
        ({"provider": "xai"}, providers.xai()),
        (
            {"provider": "xai", "base_url": "http://gate", "allow_http": True},
            replace(providers.xai(), base_url="http://gate"),
        ),
        ({"provider": "elevenlabs"}, providers.elevenlabs()),
        (
            {"provider": "elevenlabs", "base_url": "https://api.eu.residency.elevenlabs.io"},
            providers.elevenlabs("https://api.eu.residency.elevenlabs.io"),
        ),
        (
            {"provider": "litellm", "base_url": "http://lite:4000", "allow_http": True},
            providers.litellm("http://lite:4000", allow_http=True),
        ),
    ],
    ids=repr,
)
def test_the_provider_is_what_the_options_say(
    options: dict[str, Any], provider: Provider | None
) -> None:
    assert ProviderOptions(**options).resolve() == provider


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"region": "eu"}, "--region needs --provider openai"),
        ({"endpoint": ENDPOINT}, "--endpoint needs --provider azure or azure-preview"),
        (
            {"endpoint": ENDPOINT, "deployment": "mine"},
            "--endpoint with --deployment needs --provider azure-preview",
        ),
        (
            {"region": "eu", "azure_auth": "key"},
            "--region with --azure-auth fits no provider",
        ),
        ({"provider": "azure"}, "--provider azure needs --endpoint"),
        (
            {"provider": "azure-preview"},
            "--provider azure-preview needs --endpoint and --deployment",
        ),
        ({"provider": "litellm"}, "--provider litellm needs --base-url"),
        (
            {"provider": "openai", "base_url": "https://gateway.example"},
            "--provider openai takes no --base-url",
        ),
        (
            {"provider": "xai", "endpoint": "x", "api_version": "y"},
            "--provider xai takes no --endpoint, no --api-version",
        ),
        (
            {"provider": "azure", "deployment": "mine", "allow_http": True},
            "--provider azure needs --endpoint and takes no --deployment, no --allow-http",
        ),
    ],
    ids=repr,
)
def test_options_that_do_not_go_together(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParameterError) as refused:
        ProviderOptions(**options).resolve()
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"provider": "azure", "endpoint": "http://mine.example"},
            (
                "endpoint is unusable: it must be https, because plain http would show the API key "
                "to the network"
            ),
        ),
        (
            {**PREVIEW, "endpoint": ""},
            "endpoint is unusable: it must be a URL such as https://NAME.openai.azure.com",
        ),
        (
            {"provider": "xai", "base_url": "http://gate"},
            (
                "base_url is unusable: it must be https, because plain http would show the API key "
                "to the network; or pass allow_http=True"
            ),
        ),
        (
            {"provider": "openai", "region": "e/u"},
            'region must be a short name such as "eu"',
        ),
    ],
    ids=repr,
)
def test_an_unusable_url_is_named_by_its_parameter(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ProviderOptions(**options).resolve()
    assert str(refused.value) == problem


IDENTITY: dict[str, Any] = {"identity_provider_id": "idp", "service_account_id": "sa"}


@pytest.mark.parametrize(
    ("subject_token", "source"),
    [
        (None, SubjectTokenFile()),
        ("/run/token", SubjectTokenFile("/run/token")),
        ("azure", AzureManagedIdentity()),
        ("gcp", GcpMetadata()),
    ],
)
def test_a_workload_identity_in_place_of_a_key(
    subject_token: str | None, source: SubjectTokenSource
) -> None:
    options = ConnectionOptions(**IDENTITY, subject_token=subject_token)
    with options.settings() as settings:
        expected = workload_identity(**IDENTITY, subject_token=source)
        assert settings["api_key"] == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"subject_token": "gcp"}, "needs --identity-provider-id and --service-account-id"),
        ({"service_account_id": "sa"}, "needs --identity-provider-id and --service-account-id"),
        ({**IDENTITY, "api_key_file": "-"}, "takes no --api-key-file"),
        ({**IDENTITY, "mock": True}, "it takes no --identity-provider-id, no --service-account-id"),
    ],
)
def test_a_workload_identity_that_is_not_whole(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParameterError, match=problem), ConnectionOptions(**options).settings():
        pytest.fail("the options are not usable")
