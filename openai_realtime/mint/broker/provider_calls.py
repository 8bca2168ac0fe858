"""The provider's side of a call: the trade of an offer for an answer, and the hang-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from openai_realtime.errors import APIError, ConfigurationError, NotFoundError, RealtimeError
from openai_realtime.mint.telemetry import describe

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
    from openai_realtime.mint.broker.life import HangUpOutcome
    from openai_realtime.mint.client_source import ClientSource
    from openai_realtime.mint.request_body import Choice
    from openai_realtime.mint.secret_issuer import SessionPlan
    from openai_realtime.types.call import RealtimeCall

MAX_SECONDS: Final = 3600
"""After how many seconds the provider itself ends a call."""
_HANG_UP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a page offers."""

    sdp: str = field(repr=False)
    dcid: int | None = None
    """The id of the data channel, if the page made it with `negotiated: true`."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """How an attempt to hang up went."""

    outcome: HangUpOutcome
    retry_after: float | None = None
    """How many seconds the provider asks to wait."""
    error: str | None = None
    """The failure, for operators."""


class ProviderCalls:
    """Begins and hangs up calls with the server's key.

    Raises `ConfigurationError` when the provider has no calls, or the session is no call's.
    """

    maximum: float = MAX_SECONDS
    """After how many seconds the provider itself ends a call."""

    def __init__(self, clients: ClientSource, plan: SessionPlan) -> None:
        if plan.session.get("type", "realtime") != "realtime":
            message = "session: a call needs a realtime session, not a transcription session"
            raise ConfigurationError(message)
        if clients.passed is not None:
            clients.passed.provider.url("calls")
        self._clients = clients
        self._plan = plan
        self._original: RealtimeSessionsClient | None = None

    @property
    def trade_seconds(self) -> float:
        """How long a trade may take: the client's `timeout`.

        Raises what the client's factory raises.
        """
        client: RealtimeSessionsClient = self._clients.get()
        return client._configuration.timeout.total  # noqa: SLF001 - of the same package

    def _client(self) -> RealtimeSessionsClient:
        """Return a client that repeats nothing: the server could have begun a call."""
        client: RealtimeSessionsClient = self._clients.get()
        if self._original is not client:
            retry = client._configuration.retry  # noqa: SLF001 - of the same package
            self._original, self._once = (
                client,
                client.with_options(retry=replace(retry, max_retries=0)),
            )
        return self._once

    async def trade(
        self, offer: Offer, chosen: Mapping[str, Choice], safety_identifier: str | None
    ) -> RealtimeCall:
        """Return the call that the provider begins for an offer; raises `RealtimeError`."""
        options: dict[str, Any] = {} if offer.dcid is None else {"dcid": offer.dcid}
        if safety_identifier is not None:
            options["safety_identifier"] = safety_identifier
        session: Any = self._plan.nested(chosen)
        return await self._client().calls.create(sdp=offer.sdp, session=session, **options)

    async def hang_up(self, provider_id: str) -> HangUp:
        """Hang up once, within 3 seconds. Raises nothing."""
        try:
            await self._client().calls.hangup(provider_id, timeout=_HANG_UP_SECONDS)
        except NotFoundError:
            return HangUp("not_found")
        except RealtimeError as error:
            retry_after = error.retry_after if isinstance(error, APIError) else None
            return HangUp("failed", retry_after, describe(error))
        except Exception as error:  # noqa: BLE001 - the api_key callable may raise anything
            return HangUp("failed", error=describe(error))
        return HangUp("hung_up")
