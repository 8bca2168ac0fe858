"""`client.calls`: begins a WebRTC call; accepts, rejects, refers or hangs up a call.

Rule for this file: no request is repeated unless it was certainly not sent, or the server permits
it, because each request changes a live call.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Unpack, cast
from urllib.parse import parse_qsl

from openai_realtime.configuration import Configuration
from openai_realtime.core.error_responses import NO_ENDPOINT
from openai_realtime.core.exchange import Call
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.wire import Response
from openai_realtime.credentials import bearer
from openai_realtime.dialects import JsonObject
from openai_realtime.errors import APIResponseValidationError, ParameterError
from openai_realtime.providers import Provider
from openai_realtime.resources import client_secrets, parameter_errors
from openai_realtime.resources.create_operation import (
    NESTED_HINTS,
    create_call,
    warn_of_dropped,
    without_unsupported,
)
from openai_realtime.resources.parameters import (
    Parameters,
    encode_json,
    encode_text,
    merge_extra_body,
    tool_credentials,
)
from openai_realtime.resources.requests import CallArguments, require_fresh_connection
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.resources.responses import read_nothing
from openai_realtime.resources.sideband import AsyncSideband, Sideband
from openai_realtime.resources.sideband_protocol import (
    CALL_ID,
    RealtimeProtocol,
    check_call_id,
    connect_call,
)
from openai_realtime.types.call import (
    CallAcceptParameters,
    CallAcceptParams,
    CallConnectParams,
    CallCreateParams,
    CallHangupParameters,
    CallHangupParams,
    CallParameters,
    CallReferParameters,
    CallReferParams,
    CallRejectParameters,
    CallRejectParams,
    RealtimeCall,
)
from openai_realtime.types.nested_session import ClientSecretCreateResponse

_PART_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_OF_OFFER_ONLY = frozenset({"sdp", "webrtcfilter", "dcid", "extra_query"})
_OFFER_HINTS = {
    **NESTED_HINTS,
    NO_ENDPOINT: "The server has no calls endpoint, which takes WebRTC offers: check base_url (it ends in "
    "/v1 at most providers), or connect by WebSocket",
}
_MINT = replace(client_secrets.CREATE, name="calls.create")

CREATE = Parameters(CallParameters)
ACTIONS = {
    "accept": Parameters(CallAcceptParameters, parameter_errors.ACCEPT),
    "reject": Parameters(CallRejectParameters),
    "refer": Parameters(CallReferParameters),
    "hangup": Parameters(CallHangupParameters),
}


def begin_call(configuration: Configuration, params: Mapping[str, object]) -> Call[RealtimeCall]:
    """Return the call of `calls.create`."""
    arguments = CallArguments.split(configuration, params)
    provider, credential = configuration.provider, configuration.credential
    checked = CREATE.validate(arguments.parameters)
    checked, unsupported = without_unsupported(checked, provider, "ga")
    parameters = merge_extra_body(checked, arguments.extra_body)
    sdp = encode_text("sdp", str(parameters.pop("sdp")))
    query, dropped = _offer_query(provider, parameters)
    dropped += unsupported
    warn_of_dropped("calls.create", arguments, dropped)
    if parameters and credential.is_ephemeral:
        message = "session cannot be set with an ephemeral key: its session is already configured"
        raise ParameterError(message, param=next(iter(parameters)))
    body, content_type = sdp, b"application/sdp"
    if parameters and not provider.offer_needs_secret:
        body, content_type = _multipart(sdp, parameters)
    url = provider.url("calls", query=query)
    request = arguments.post(url, body, content_type, accept=b"application/sdp")
    offer = Call(
        "calls.create",
        require_fresh_connection(request),
        partial(_read_call, dropped=dropped),
        arguments.timeout,
        repeatable=False,
        hints={**_OFFER_HINTS, **arguments.retired_hints(parameters)},
        secrets=tool_credentials(parameters),
    )
    if not provider.offer_needs_secret:
        return offer
    if credential.is_ephemeral:
        return offer._replace(authorization=bearer(str(credential.key_source)))
    return _with_minted_secret(offer, configuration, params)


def _offer_query(
    provider: Provider, parameters: JsonObject
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Move the parameters of the URL's query out of `parameters`; return it, and what is dropped."""
    query = dict(provider.offer_query)
    dropped: tuple[str, ...] = ()
    if "webrtcfilter" in parameters:
        is_on = parameters.pop("webrtcfilter") == "on"
        if not is_on:
            query.pop("webrtcfilter", None)
        elif "webrtcfilter" not in query:
            dropped = ("webrtcfilter",)
    if "dcid" in parameters:
        query["dcid"] = str(parameters.pop("dcid"))
    return query, dropped


def _with_minted_secret(
    offer: Call[RealtimeCall], configuration: Configuration, params: Mapping[str, object]
) -> Call[RealtimeCall]:
    """Return the call that mints a client secret for the session, and sends the offer with it."""
    # Only servers with the nested shape have calls.
    nested = replace(configuration, provider=replace(configuration.provider, dialect="ga"))
    session = {name: value for name, value in params.items() if name not in _OF_OFFER_ONLY}
    mint = create_call(nested, _MINT, session)

    def offer_with_secret(response: Response, meta: ResponseMeta) -> Call[RealtimeCall]:
        minted = cast("ClientSecretCreateResponse", mint.parse(response, meta))
        read = partial(_read_call, dropped=minted.meta.dropped)
        return offer._replace(authorization=bearer(minted.value), parse=read)

    return Call(
        "calls.create",
        mint.request,
        offer_with_secret,
        mint.timeout,
        hints=mint.hints,
        secrets=mint.secrets,
    )


def action_call(
    configuration: Configuration, action: str, call_id: str, params: Mapping[str, object]
) -> Call[None]:
    """Return the call of `calls.accept`, `.reject`, `.refer` or `.hangup`."""
    check_call_id(call_id)
    arguments = CallArguments.split(configuration, params)
    parameters = ACTIONS[action].validate(arguments.parameters, arguments.extra_body)
    if action == "accept":
        parameters = {"type": "realtime", **parameters}
    url = configuration.provider.url("calls", call_id, action)
    request = require_fresh_connection(arguments.post_parameters(url, parameters))
    return Call(
        f"calls.{action}",
        request,
        read_nothing,
        arguments.timeout,
        repeatable=False,
        hints={
            **NESTED_HINTS,
            **arguments.retired_hints(parameters),
            **dict.fromkeys((404, NO_ENDPOINT), "The call has ended, or call_id is wrong"),
        },
        secrets=tool_credentials(parameters),
    )


def _multipart(sdp: bytes, parameters: JsonObject) -> tuple[bytes, bytes]:
    """Return a multipart form of the SDP offer and the other parameters, and its content type."""
    boundary = secrets.token_hex(16).encode("ascii")
    parts = [("sdp", b"application/sdp", sdp)]
    for name, value in parameters.items():
        if not _PART_NAME.fullmatch(name):
            message = "extra_body: names must be letters, digits, _ and - in calls.create"
            raise ParameterError(message, param="extra_body")
        parts.append((name, b"application/json", encode_json(value)))
    lines: list[bytes] = []
    for name, content_type, content in parts:
        disposition = f'Content-Disposition: form-data; name="{name}"'.encode()
        lines += [b"--" + boundary, disposition, b"Content-Type: " + content_type, b"", content]
    body = b"\r\n".join([*lines, b"--" + boundary + b"--", b""])
    return body, b"multipart/form-data; boundary=" + boundary


def _read_call(response: Response, meta: ResponseMeta, *, dropped: tuple[str, ...]) -> RealtimeCall:
    sdp = response.body.decode("utf-8", "replace")
    if not sdp.startswith("v=0"):
        message = "The server responded with success but without an SDP answer"
        raise APIResponseValidationError(message, possibly_acted=True)
    if dropped:
        meta = replace(meta, dropped=dropped)
    return RealtimeCall(_call_id(response.headers.get("location", "")), sdp, meta)


def _call_id(location: str) -> str | None:
    """Return the id in a `Location`: the path's last part after `calls`, else `call_id`."""
    path, _, query = location.partition("?")
    parent, _, last = path.rstrip("/").rpartition("/")
    call_id = last if parent.endswith("calls") else dict(parse_qsl(query)).get("call_id", "")
    return call_id if CALL_ID.fullmatch(call_id) else None


class AsyncCalls(AsyncResource):
    """`client.calls` of the async client."""

    @takes(CallCreateParams)
    async def create(self, /, **params: Unpack[CallCreateParams]) -> RealtimeCall:
        """Begin a WebRTC call: `POST {base_url}/realtime/calls`.

        `sdp` is the peer's SDP offer. `session` configures the session; with an ephemeral key,
        leave it out, because the key's session is already configured. Without `session` the offer
        is sent as it is (`application/sdp`), with it as a form (`multipart/form-data`). OpenAI
        takes both; the official SDK always sends a form. The options are those of
        `sessions.create`. Returns the call's id and the SDP answer.

        Azure takes an offer only with a client secret. So two requests are sent there, within the
        one `timeout`: the first mints a secret for `session`, the second sends the offer with it.
        With `webrtcfilter="on"`, the default there, the data channel does not show the session's
        instructions and tools to the browser.

        Raises what `sessions.create` raises; `error.url` names the request that failed. The offer
        is not sent twice unless it was certainly not sent, or the server permits it, because a
        second offer would begin a second call.
        """
        return await self._driver.run(begin_call(self._configuration, params))

    @takes(CallAcceptParams)
    async def accept(self, /, call_id: str, **params: Unpack[CallAcceptParams]) -> None:
        """Accept a phone call: `POST {base_url}/realtime/calls/{call_id}/accept`.

        The parameters are those of a nested realtime session (`CallAcceptParams`); the options are
        those of `sessions.create`. Raises `NotFoundError` when the call has ended, and otherwise
        what `create` raises.
        """
        await self._driver.run(action_call(self._configuration, "accept", call_id, params))

    @takes(CallRejectParams)
    async def reject(self, /, call_id: str, **params: Unpack[CallRejectParams]) -> None:
        """Reject a phone call: `POST {base_url}/realtime/calls/{call_id}/reject`.

        `status_code` is the SIP status for the caller, 300–699; default 603, decline. The options
        and errors are those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "reject", call_id, params))

    @takes(CallReferParams)
    async def refer(self, /, call_id: str, **params: Unpack[CallReferParams]) -> None:
        """Transfer a phone call: `POST {base_url}/realtime/calls/{call_id}/refer`.

        `target_uri` is the new destination, a `tel:` or `sip:` URI. The options and errors are
        those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "refer", call_id, params))

    @takes(CallHangupParams)
    async def hangup(self, /, call_id: str, **params: Unpack[CallHangupParams]) -> None:
        """End a call, by phone or by WebRTC: `POST {base_url}/realtime/calls/{call_id}/hangup`.

        The options and errors are those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "hangup", call_id, params))

    @takes(CallConnectParams)
    def connect(self, /, call_id: str, **params: Unpack[CallConnectParams]) -> AsyncSideband:
        """Join a running call as a server: its sideband, `{base_url}/realtime?call_id=…`.

            async with client.calls.connect(call_id) as sideband:
                async for event in sideband:
                    ...

        Returns a context manager, which connects when its block begins: it sends events and iterates
        over those that come (`AsyncSideband`). A 404 is tried again for 5 seconds, because the call
        may not be set up yet. The options are those of `accept`, without `extra_body`; `timeout`
        limits each handshake. Needs the extra `sideband`.

        Raises `ParameterError` for an unusable `call_id`; its block raises what `sessions.create`
        raises.
        """
        call = connect_call(self._configuration, call_id, params)
        return AsyncSideband(self._driver, self._configuration, call, RealtimeProtocol())


class Calls(SyncResource):
    """`client.calls` of the sync client."""

    @takes(CallCreateParams)
    def create(self, /, **params: Unpack[CallCreateParams]) -> RealtimeCall:
        """Begin a WebRTC call: `POST {base_url}/realtime/calls`.

        `sdp` is the peer's SDP offer. `session` configures the session; with an ephemeral key,
        leave it out, because the key's session is already configured. Without `session` the offer
        is sent as it is (`application/sdp`), with it as a form (`multipart/form-data`). OpenAI
        takes both; the official SDK always sends a form. The options are those of
        `sessions.create`. Returns the call's id and the SDP answer.

        Azure takes an offer only with a client secret. So two requests are sent there, within the
        one `timeout`: the first mints a secret for `session`, the second sends the offer with it.
        With `webrtcfilter="on"`, the default there, the data channel does not show the session's
        instructions and tools to the browser.

        Raises what `sessions.create` raises; `error.url` names the request that failed. The offer
        is not sent twice unless it was certainly not sent, or the server permits it, because a
        second offer would begin a second call.
        """
        return self._driver.run(begin_call(self._configuration, params))

    @takes(CallAcceptParams)
    def accept(self, /, call_id: str, **params: Unpack[CallAcceptParams]) -> None:
        """Accept a phone call: `POST {base_url}/realtime/calls/{call_id}/accept`.

        The parameters are those of a nested realtime session (`CallAcceptParams`); the options are
        those of `sessions.create`. Raises `NotFoundError` when the call has ended, and otherwise
        what `create` raises.
        """
        self._driver.run(action_call(self._configuration, "accept", call_id, params))

    @takes(CallRejectParams)
    def reject(self, /, call_id: str, **params: Unpack[CallRejectParams]) -> None:
        """Reject a phone call: `POST {base_url}/realtime/calls/{call_id}/reject`.

        `status_code` is the SIP status for the caller, 300–699; default 603, decline. The options
        and errors are those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "reject", call_id, params))

    @takes(CallReferParams)
    def refer(self, /, call_id: str, **params: Unpack[CallReferParams]) -> None:
        """Transfer a phone call: `POST {base_url}/realtime/calls/{call_id}/refer`.

        `target_uri` is the new destination, a `tel:` or `sip:` URI. The options and errors are
        those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "refer", call_id, params))

    @takes(CallHangupParams)
    def hangup(self, /, call_id: str, **params: Unpack[CallHangupParams]) -> None:
        """End a call, by phone or by WebRTC: `POST {base_url}/realtime/calls/{call_id}/hangup`.

        The options and errors are those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "hangup", call_id, params))

    @takes(CallConnectParams)
    def connect(self, /, call_id: str, **params: Unpack[CallConnectParams]) -> Sideband:
        """Join a running call as a server: its sideband, `{base_url}/realtime?call_id=…`.

            with client.calls.connect(call_id) as sideband:
                for event in sideband:
                    ...

        Returns a context manager, which connects when its block begins: it sends events and iterates
        over those that come (`Sideband`). A 404 is tried again for 5 seconds, because the call may
        not be set up yet. The options are those of `accept`, without `extra_body`; `timeout` limits
        each handshake. Needs the extra `sideband`.

        Raises `ParameterError` for an unusable `call_id`; its block raises what `sessions.create`
        raises.
        """
        call = connect_call(self._configuration, call_id, params)
        return Sideband(self._driver, self._configuration, call, RealtimeProtocol())
