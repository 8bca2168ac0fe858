"""The commands `openai-realtime calls …`: create, accept, reject, refer, hang up and list calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import anyio
import typer

from openai_realtime.cli import output, parameters
from openai_realtime.cli.options import (
    ConnectionOptions,
    SessionOptions,
    config_option,
    given_options,
    json_option,
    option,
    param_option,
    with_options,
)
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from openai_realtime.mint import RunningCall

_STORAGE_VARIABLE = "OPENAI_REALTIME_SERVE_STORAGE"  # that of the service itself
CallId = Annotated[
    str,
    typer.Argument(
        metavar="CALL_ID",
        help="The call's id, such as rtc_123, from the webhook or from calls create.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSessionOptions(SessionOptions):
    """The options that configure a call's session; None is the server's default."""

    config: str | None = config_option("the session, in the nested shape")
    param: list[str] | None = param_option("field of the session", "audio.output.speed=1.2")

    def session(self) -> dict[str, Any]:
        """Return the nested session, without the type `realtime`, which the client adds."""
        given = parameters.option_parameters(given_options(self), parameters.CALL_PATHS)
        config = parameters.read_config(self.config)
        if isinstance(config.get("session"), dict):  # as for a client secret
            config = cast("Mapping[str, object]", config["session"])
        session = parameters.assemble(config, given, self.param or ())
        if session.get("type") == "realtime":
            del session["type"]
        return session


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """The options that only `calls create` has."""

    sdp: str = option(None, "FILE", "The WebRTC peer's SDP offer (- is stdin).", default=MISSING)
    json: bool = json_option("the call's id and the SDP answer")


@with_options
def create(
    *, options: CreateOptions, session: CallSessionOptions, connection: ConnectionOptions
) -> None:
    """Begin a WebRTC call: print the SDP answer, and the call's id on stderr.

    With an ephemeral key no session option can be given: its session is already configured.

    Example:
        openai-realtime calls create --sdp offer.sdp
    """
    parameters.check_stdin_is_read_once(options.sdp, session.config, *connection.files)
    offer, given = parameters.read_sdp(options.sdp), session.session()
    arguments: dict[str, Any] = {"session": {"type": "realtime", **given}} if given else {}
    with connection.client() as client:
        call = client.calls.create(sdp=offer, **arguments)
    if options.json:
        members = {"id": call.id, "sdp": call.sdp}
        output.write_json(json.dumps(members, indent=2, ensure_ascii=False))
    else:
        output.print_message("call id", call.id or "none: the server did not send it")
        output.write_exact(call.sdp)


@with_options
def accept(*, call_id: CallId, session: CallSessionOptions, connection: ConnectionOptions) -> None:
    """Accept a phone call.

    Example:
        openai-realtime calls accept rtc_123 --voice marin
    """
    parameters.check_stdin_is_read_once(session.config, *connection.files)
    given = session.session()
    with connection.client() as client:
        client.calls.accept(call_id, **given)
    output.write(f"Accepted {call_id}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectOptions:
    """The options that only `calls reject` has."""

    status_code: int | None = option(
        None,
        "NUMBER",
        "The SIP status to send to the caller, such as 486 (busy). Default: 603 (decline).",
    )


@with_options
def reject(*, call_id: CallId, options: RejectOptions, connection: ConnectionOptions) -> None:
    """Reject a phone call.

    Example:
        openai-realtime calls reject rtc_123 --status-code 486
    """
    with connection.client() as client:
        client.calls.reject(call_id, **given_options(options))
    output.write(f"Rejected {call_id}\n")


@with_options
def refer(
    *,
    call_id: CallId,
    target_uri: Annotated[
        str,
        typer.Argument(
            metavar="TARGET_URI",
            help="Where the call goes: tel:+14155550123 or sip:agent@example.com.",
            show_default=False,
        ),
    ],
    connection: ConnectionOptions,
) -> None:
    """Transfer a phone call.

    Example:
        openai-realtime calls refer rtc_123 tel:+14155550123
    """
    with connection.client() as client:
        client.calls.refer(call_id, target_uri=target_uri)
    output.write(f"Referred {call_id}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class HangupOptions:
    """The options that only `calls hangup` has."""

    storage: str | None = option(
        None,
        "URL",
        "Let the mint service with this storage, redis://…, hang up the call, and tell its on_call. "
        "No API key is needed.",
        envvar=_STORAGE_VARIABLE,
    )


@with_options
def hangup(*, call_id: CallId, options: HangupOptions, connection: ConnectionOptions) -> None:
    """Hang up a call that came by phone or by WebRTC; of GPT-Live if its id begins with live_.

    Example:
        openai-realtime calls hangup rtc_123
    """
    if options.storage is not None:
        if not anyio.run(_request_end, options.storage, call_id):
            message = "The mint service has no call with this id"
            raise ParameterError(message)
        output.write(f"Asked the mint service to hang up {call_id}\n")
        return
    with connection.client() as client:
        is_live = call_id.startswith("live_")
        (client.live.sessions if is_live else client.calls).hangup(call_id)
    output.write(f"Hung up {call_id}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """The options that only `calls list` has."""

    storage: str = option(
        None,
        "URL",
        "The storage of the mint service: redis://…; set a URL with a password in the environment, "
        f"as {_STORAGE_VARIABLE}.",
        default=MISSING,
        envvar=_STORAGE_VARIABLE,
    )
    json: bool = json_option("the calls")


@with_options
def list_(*, options: ListOptions) -> None:
    """List the running calls of a mint service whose calls are in Redis, the oldest first.

    The principals are pseudonyms.

    Example:
        openai-realtime calls list --storage redis://127.0.0.1
    """
    calls = anyio.run(_running, options.storage)
    if options.json:
        # Only the process that began a call knows its principal.
        members = [{k: v for k, v in asdict(call).items() if k != "principal"} for call in calls]
        output.write_json(json.dumps(members, indent=2))
        return
    for call in calls:
        seconds = f"{call.seconds:8.0f} s  {call.seconds_left:8.0f} s left"
        output.write(f"{call.call_id}  {seconds}  {call.pseudonym}\n")


async def _running(storage: str) -> list[RunningCall]:
    from openai_realtime.mint.broker.events import running_call  # noqa: PLC0415 - needs the extra `mint`
    from openai_realtime.mint.broker.redis_registry import operators_registry  # noqa: PLC0415

    async with operators_registry(storage) as registry:
        calls = await registry.running(None)
    return [running_call(call) for call in calls if call.provider_id is not None]


async def _request_end(storage: str, call_id: str) -> int:
    from openai_realtime.mint.broker.redis_registry import operators_registry  # noqa: PLC0415 - needs the extra `mint`

    async with operators_registry(storage) as registry:
        return await registry.request_end(call_id)


COMMANDS = (create, accept, reject, refer, hangup, list_)
