"""The command `openai-realtime doctor`: checks a setup without minting a secret."""

from __future__ import annotations

import importlib.util
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

import openai_realtime
from openai_realtime.cli import output
from openai_realtime.cli.failures import failure_of
from openai_realtime.cli.options import (
    SESSION,
    ConnectionOptions,
    json_option,
    option,
    with_options,
)
from openai_realtime.cli.parameters import NoApiKeyError
from openai_realtime.core.retirements import NOTICE, find_retirements
from openai_realtime.environment import read_variable
from openai_realtime.errors import APIError, APIStatusError, ConfigurationError, NotFoundError
from openai_realtime.lazy_imports import install_command
from openai_realtime.transports.proxies import ProxyRules, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.providers import Provider

State = Literal["ok", "warn", "fail"]
_DEFAULT_MODEL = "gpt-realtime-2.1"
# A second is lost by rounding, and some by a slow network.
_SKEW_TO_WARN = 30
_SKEW_TO_FAIL = 300


class Check(NamedTuple):
    """The result of one check, which is one line of the output."""

    name: str
    state: State
    text: str
    """What was found, and what to do unless it is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """The options that only `doctor` has."""

    model: str | None = option(
        SESSION, "MODEL", f"The model to look up. Default: {_DEFAULT_MODEL}."
    )
    storage: str | None = option(
        SESSION,
        "URL",
        "The storage of serve, redis://…. Default: OPENAI_REALTIME_SERVE_STORAGE.",
        envvar="OPENAI_REALTIME_SERVE_STORAGE",
    )
    json: bool = json_option("the checks")


@with_options
def doctor(*, options: DoctorOptions, connection: ConnectionOptions) -> None:
    """Check a setup without minting: a line for each check, and exit code 1 if one fails.

    It checks the key's shape, the base URL, the proxy, DNS, TLS, the model, this machine's clock,
    and, where they are set, the storage of serve and the webhook secret.

    Example:
        openai-realtime doctor --model gpt-realtime-2.1
    """
    checks = [*_checks_of_server(options, connection), *_checks_of_service(options)]
    if options.json:
        output.write_json(json.dumps([check._asdict() for check in checks], indent=2))
    else:
        width = max(len(check.name) for check in checks)
        for name, state, text in checks:
            output.write(f"{state:<4}  {name:<{width}}  {output.one_line(text)}\n")
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)


def _checks_of_server(options: DoctorOptions, connection: ConnectionOptions) -> Iterator[Check]:
    try:
        with (
            connection.settings() as settings,
            openai_realtime.SyncRealtimeSessionsClient(**settings) as client,
        ):
            yield check_key(client.provider, settings.get("api_key"))
            yield check_base_url(client.provider)
            yield from _checks_of_network(client, options.model)
    except NoApiKeyError as error:
        yield Check("key", "fail", f"{error}. {error.hint}")
    except ConfigurationError as error:
        yield Check("setup", "fail", failure_of(error).text)


def _checks_of_network(client: SyncRealtimeSessionsClient, model: str | None) -> Iterator[Check]:
    provider = client.provider
    origin = origin_of(provider.base_url, loopback_only=provider.loopback_only)
    proxy = ProxyRules.of(None, trust_env=True).proxy_for(origin)
    yield Check("proxy", "ok", "none" if proxy is None else proxy.url)
    host, port = (origin.host, origin.port) if proxy is None else (proxy.host, proxy.port)
    yield _check_dns(host, port)
    try:
        client.warm_up()
    except APIError as error:
        yield Check("tls", "fail", str(error))
        return
    has_tls = origin.scheme == "https"
    yield Check("tls", "ok", "the certificate is trusted" if has_tls else "none: plain http")
    if "models" not in provider.paths:
        yield Check("model", "ok", f"not looked up: {provider.name} has no such endpoint")
        return
    headers: Mapping[str, str]
    try:
        found = client.models.retrieve(model or _DEFAULT_MODEL)
    except APIError as error:
        is_guess = model is None and not provider.is_openai and isinstance(error, NotFoundError)
        text = f"{error}. Name your model with --model" if is_guess else str(error)
        yield Check("model", "warn" if is_guess else "fail", text)
        headers = error.headers if isinstance(error, APIStatusError) else {}
    else:
        today = datetime.now(UTC).date()
        yield check_shutdown(provider, found.id, found.shutdown_date, today)
        headers = found.meta.headers
    yield check_clock(headers, time.time())


def check_key(provider: Provider, key: object) -> Check:
    """Check the shape of a key. The result shows nothing of it."""
    if not isinstance(key, str):
        return Check("key", "ok", "it comes from the workload identity")
    if key.startswith("ek_"):
        return Check(
            "key",
            "fail",
            "it is an ephemeral key (ek_…), which cannot mint: set the API key of your project",
        )
    if provider.is_openai and not key.startswith("sk-"):
        return Check("key", "warn", "OpenAI's keys begin with sk-: check that it is one of them")
    return Check("key", "ok", "it is set, and has the shape of a key")


def check_base_url(provider: Provider) -> Check:
    """Check the base URL; the client has accepted it already."""
    url = provider.base_url
    if provider.is_openai and not url.endswith("/v1"):
        return Check("base_url", "warn", f"{url}: OpenAI's ends in /v1")
    return Check("base_url", "ok", f"{url} ({provider.name})")


def _check_dns(host: str, port: int) -> Check:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        text = f"{host}: {problem}: check the name, and this machine's resolver"
        return Check("dns", "fail", text)
    addresses = sorted({str(each[4][0]) for each in found})
    return Check("dns", "ok", f"{host} is {', '.join(addresses)}")


def check_shutdown(provider: Provider, model: str, shutdown_date: str | None, today: date) -> Check:
    """Check the day on which a model is shut down: the server's own, or that of the table."""
    known = find_retirements({"model": model}) if provider.is_openai else []
    replacement = f": use {known[0].replacement} instead" if known else ": use another model"
    try:
        day = date.fromisoformat(shutdown_date) if shutdown_date else None
    except ValueError:
        return Check("model", "warn", f"{model}: the server's shutdown_date is not a date")
    if day is None and known:
        day = known[0].day
    if day is None:
        return Check("model", "ok", f"{model}: no shutdown date")
    if day <= today:
        return Check("model", "fail", f"{model} was shut down on {day}{replacement}")
    if day - today <= NOTICE:
        return Check("model", "warn", f"{model} is shut down on {day}{replacement}")
    return Check("model", "ok", f"{model} is shut down on {day}")


def check_clock(headers: Mapping[str, str], now: float) -> Check:
    """Compare this machine's clock, `now` in Unix seconds, with a response's Date header."""
    try:
        skew = now - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return Check("clock", "warn", "not compared: the server sent no date")
    if abs(skew) <= _SKEW_TO_WARN:
        return Check("clock", "ok", f"within {_SKEW_TO_WARN} s of the server's")
    way = "ahead of" if skew > 0 else "behind"
    text = f"{abs(skew):.0f} s {way} the server's: set the time (NTP); secrets and webhooks need it"
    return Check("clock", "fail" if abs(skew) > _SKEW_TO_FAIL else "warn", text)


def _checks_of_service(options: DoctorOptions) -> Iterator[Check]:
    if options.storage is not None:
        yield _check_storage(options.storage)
    secret = read_variable("OPENAI_WEBHOOK_SECRET")
    if secret:
        yield _check_webhook_secret(secret)


def _check_storage(url: str) -> Check:
    if importlib.util.find_spec("starlette") is None:
        return Check("storage", "fail", f"not checked: {install_command('mint')}")
    import anyio  # noqa: PLC0415 - slow to import

    from openai_realtime.mint.limiter import storage_problem  # noqa: PLC0415 - needs the extra `mint`

    try:
        problem = anyio.run(storage_problem, url)
    except ConfigurationError as error:
        return Check("storage", "fail", str(error))
    if problem is not None:
        return Check("storage", "fail", f"it cannot be used ({problem}): check its URL, and Redis")
    return Check("storage", "ok", "usable")


def _check_webhook_secret(secret: str) -> Check:
    from openai_realtime.webhooks.verifier import WebhookVerifier  # noqa: PLC0415 - only where one is set

    try:
        WebhookVerifier(secret)
    except ConfigurationError as error:
        return Check("webhook", "fail", str(error))
    return Check("webhook", "ok", "the secret has the right shape")
