"""`openai-realtime calls`: begin a WebRTC call; accept, reject, refer or hang up a phone call.

Owns: what each of these commands asks for, and the line that says it is done. Must not know: how
options are spelled (`options.py`), failures, or how a request is sent.
"""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai_realtime.cli import options, output, parameter_paths
from openai_realtime.cli.connection import Connection
from openai_realtime.cli.inputs import check_stdin_is_read_once, read_config, read_sdp
from openai_realtime.cli.option_groups import with_option_groups
from openai_realtime.cli.parameters import assemble

if TYPE_CHECKING:
    from openai_realtime.types.call import CallRejectParams, RealtimeCall


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSession:
    """The options that say what the session of a call is; None is the server's default."""

    model: options.Model = None
    instructions: options.Instructions = None
    voice: options.Voice = None
    config: options.CallConfig = None
    param: options.CallParam = None

    def parameters(self) -> dict[str, Any]:
        """Return the nested session, without its type where that goes without saying."""
        values = {name: getattr(self, name) for name in parameter_paths.CALL}
        asked = {
            parameter_paths.CALL[name]: value for name, value in values.items() if value is not None
        }
        session = assemble(read_config(self.config), asked, self.param or ())
        if session.get("type") == "realtime":
            del session["type"]
        return session


@with_option_groups
def create(
    *,
    sdp: options.Sdp,
    session: CallSession,
    connection: Connection,
    json: options.CallJson = False,
) -> None:
    """Begin a WebRTC call: print the SDP answer, and the call's id on stderr.

    With an ephemeral key, whose session is configured already, no session option is taken.
    """
    check_stdin_is_read_once(sdp, session.config, connection.api_key_file)
    offer, given = read_sdp(sdp), session.parameters()
    asked: dict[str, Any] = {"session": {"type": "realtime", **given}} if given else {}
    with connection.client() as client:
        call = client.calls.create(sdp=offer, **asked)
    _show(call, as_json=json)


@with_option_groups
def accept(*, call_id: options.CallId, session: CallSession, connection: Connection) -> None:
    """Accept a phone call."""
    check_stdin_is_read_once(session.config, connection.api_key_file)
    given = session.parameters()
    with connection.client() as client:
        client.calls.accept(call_id, **given)
    _done("Accepted", call_id)


@with_option_groups
def reject(
    *, call_id: options.CallId, status_code: options.StatusCode = None, connection: Connection
) -> None:
    """Reject a phone call."""
    given: CallRejectParams = {} if status_code is None else {"status_code": status_code}
    with connection.client() as client:
        client.calls.reject(call_id, **given)
    _done("Rejected", call_id)


@with_option_groups
def refer(
    *, call_id: options.CallId, target_uri: options.TargetUri, connection: Connection
) -> None:
    """Transfer a phone call."""
    with connection.client() as client:
        client.calls.refer(call_id, target_uri=target_uri)
    _done("Referred", call_id)


@with_option_groups
def hangup(*, call_id: options.CallId, connection: Connection) -> None:
    """Hang up a call, whether it came by phone or by WebRTC."""
    with connection.client() as client:
        client.calls.hangup(call_id)
    _done("Hung up", call_id)


COMMANDS = (create, accept, reject, refer, hangup)


def _show(call: RealtimeCall, *, as_json: bool) -> None:
    if as_json:
        told = {"id": call.id, "sdp": call.sdp}
        output.write_json(json_format.dumps(told, indent=2, ensure_ascii=False))
        return
    output.print_message("call id", call.id or "none, the server did not tell it")
    output.write_exact(call.sdp)


def _done(what: str, call_id: str) -> None:
    output.write(f"{what} {call_id}\n")
