"""One call and its attempts, with the retry logic that the sync and the async driver share.

A driver does no more than this:

    for attempt in exchange:
        with attempt:
            sleep(attempt.delay)
            attempt.receive(send(attempt.request(authorization)))
    return exchange.result()
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeGuard, TypeVar, cast

from openai_realtime.core.deadline import Deadline, deadline_passed
from openai_realtime.core.error_responses import (
    NO_ENDPOINT,
    find_hint,
    is_bare_404,
    shown_headers,
    status_error,
)
from openai_realtime.core.issued_token import IssuedToken
from openai_realtime.core.meta import response_meta
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.request_additions import secrets_in_header
from openai_realtime.core.retry import (
    NO_RETRY_REFUND,
    RetryBudget,
    RetryPolicy,
    plan_retry,
    retry_cost,
)
from openai_realtime.core.wire import Request, Response
from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
)
from openai_realtime.secrets import RedactedBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.events import AttemptCause, CallEventEmitter, Listener
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.secrets import Authorization

T = TypeVar("T")
NO_ENDPOINT_HINT = (
    "Neither the flat nor the nested endpoint exists: check base_url (it ends in /v1 at most "
    "providers)"
)
# Enough for a peer's message and an engine's own words around it.
_MAX_MESSAGE_CHARACTERS = 1000


def no_listener() -> Listener | None:
    """Return None: the call has no listener."""


@dataclass(frozen=True, slots=True)
class RetryContext:
    """The retry settings, clock and listener that all calls of a client share."""

    policy: RetryPolicy
    budget: RetryBudget
    clock: Callable[[], float]
    """Returns monotonic seconds."""
    random: Callable[[], float]
    """Returns a random number, uniform in [0, 1)."""
    get_listener: Callable[[], Listener | None] = no_listener
    """Returns the listener for a call that begins now, or None."""


NO_HINTS: Mapping[int | str, str] = MappingProxyType({})


class Call(NamedTuple, Generic[T]):
    """A request, the parser of its response, and how it may be retried.

    A call may be a sequence of requests, each with its own rules for retries: the parser of all
    but the last one returns the next request. One deadline, that of the first, is for all of them.
    """

    operation: str
    """The public method's name, such as `sessions.create`."""
    request: Request
    parse: Callable[[Response, ResponseMeta], T | Call[T]]
    """Turns a 2xx response into the result, or into the next request of the call; raises
    `APIResponseValidationError`."""
    timeout: Timeout
    repeatable: bool = True
    """Whether the request may be sent twice. Minting may: a lost secret expires by itself."""
    hints: Mapping[int | str, str] = NO_HINTS
    """Hints by error code, `NO_ENDPOINT` or status, which replace the usual hints."""
    secrets: tuple[str, ...] = ()
    """Texts of the request, besides its credential, that are masked in everything that is shown."""
    fallback: Callable[[APIStatusError], Call[T] | None] | None = None
    """Returns the call to make instead after an error response, or None to raise that error."""
    authorization: Authorization | None = None
    """The request's own credential; None: the client's."""


class Exchange(Generic[T]):
    """The attempts of one call: iterate over it, then call `result()`.

    The iterator yields the exchange itself, once for each attempt, to be used in a `with` block. An
    `APIConnectionError` raised in the block, or an error of a step before the request (`step`), leads
    to another attempt, or becomes the call's error. Any other exception (a cancellation, an error of
    the `api_key` callable) ends the call.
    """

    _attempts: int = 0
    _retries: int = 0
    _resent: bool = False
    _renewed: bool = False
    _orphans: int = 0
    delay: float = 0.0
    """Seconds to wait before the attempt is sent."""
    _response: Response | None = None
    _cause: AttemptCause = "first"
    _refund: int = NO_RETRY_REFUND
    _finished: bool = False
    _authorization: Authorization | None = None
    _error: APIError | None = None
    _before_fallback: APIStatusError | None = None
    _emitter: CallEventEmitter | None = None
    _value: T

    def __init__(self, call: Call[T], context: RetryContext) -> None:
        self.call: Call[T] = call
        self._context = context
        self._started = context.clock()
        self.deadline: Deadline = Deadline(self._started + call.timeout.total, context.clock)
        listener = context.get_listener()
        if listener is not None:
            from openai_realtime.core.events import CallEventEmitter  # noqa: PLC0415 - rarely used

            self._emitter = CallEventEmitter(
                listener, context.clock, context.budget, call.operation
            )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Self:
        if self._finished:
            raise StopIteration
        self._response = None
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        try:
            if error is None and self._response is not None:
                self._settle_response(self._response)
            elif _is_failure(error):
                self._settle_failure(error)
                return True
        except BaseException as unexpected:
            error = unexpected
            raise
        finally:
            if error is not None and not _is_failure(error):
                self._abandon(error)
        return False

    def result(self) -> T:
        """Return the call's result, or raise its error."""
        if self._error is not None:
            raise self._error from self._error.__cause__
        return self._value

    def request(self, authorization: Authorization | None) -> Request:
        """Return the request to send now, with its credential; None: the server takes no key.

        The credential is masked in every text of the response. Raises `APITimeoutError` after the
        call's deadline: the `api_key` callable took too long, or the process was suspended.
        """
        if not self.deadline.remaining():
            raise deadline_passed(self.call.timeout.total, possibly_acted=False)
        self._attempts += 1
        self._authorization = authorization
        request = self.call.request
        if self._emitter is not None:
            self._emitter.attempt_sent(request, self._attempts, self._cause)
        return request if authorization is None else request.with_header(authorization.header)

    def receive(self, response: Response) -> None:
        """Take the attempt's response."""
        self._response = response

    def _settle_response(self, response: Response) -> None:
        """Parse a response, plan another attempt, or fail."""
        sanitizer = self._sanitizer()
        if not response.is_success:
            error = status_error(response, policy=self._context.policy, sanitizer=sanitizer)
            hint = find_hint(self.call.hints, response.status, error.code)
            error.hint = hint or error.hint
            self._settle_error(error, sanitizer, response.status)
            return
        meta = response_meta(
            response,
            sanitizer,
            attempts=self._attempts,
            elapsed=self._context.clock() - self._started,
            possible_orphans=self._orphans,
        )
        try:
            outcome = self.call.parse(response, meta)
        except APIResponseValidationError as error:
            error.status_code = response.status
            error.headers = shown_headers(response.headers, sanitizer)
            error.request_id = meta.request_id
            self._settle_error(error, sanitizer, response.status)
        else:
            self._context.budget.refund(self._refund)
            if self._emitter is not None:
                self._emitter.attempt_finished(response.status, meta.request_id, None)
            if isinstance(outcome, Call):
                self._continue(cast("Call[T]", outcome))
            else:
                self._value = outcome
                self._finish(None)

    def _continue(self, call: Call[T]) -> None:
        """Go on with the call's next request, which has its own retries."""
        self.call = call
        self._cause, self.delay = "next", 0.0
        self._retries, self._resent, self._refund = 0, False, NO_RETRY_REFUND
        self._before_fallback = None

    def _settle_failure(self, error: APIError) -> None:
        """Plan another attempt after a failure without a response of the API, or fail."""
        is_timeout = isinstance(error, APITimeoutError) and error.phase != "total"
        if is_timeout and self.deadline.remaining() <= 0:
            # The limit of the phase was the rest of the whole call's time.
            error = deadline_passed(self.call.timeout.total, possibly_acted=error.possibly_acted)
        self._settle_error(error, self._sanitizer(), None)

    def _sanitizer(self) -> Sanitizer:
        """Return a sanitizer that masks the attempt's credential and the request's secrets."""
        secrets = [*self.call.secrets]
        if self._authorization is not None:
            secrets.append(self._authorization.token)
        for _, value in self.call.request.headers:
            if isinstance(value, RedactedBytes):
                secrets += secrets_in_header(value)
        return Sanitizer(secrets)

    def _settle_error(self, error: APIError, sanitizer: Sanitizer, status: int | None) -> None:
        # The frames of the traceback hold requests and bodies, which error reporters would show.
        error.__traceback__ = error.__context__ = None
        # The message may quote a peer, and the peer may quote the credential.
        error.message = sanitizer.text(error.message, _MAX_MESSAGE_CHARACTERS)
        error.args = (error.message,)
        error.method = self.call.request.method
        error.url = self.call.request.display_url
        error.attempts = self._attempts
        error.possible_orphans = self._orphans
        self._attempt_finished(error, status, error.request_id)
        if self._falls_back(error) or self._renews(error) or self._resends(error):
            return
        delay = plan_retry(
            error,
            retry=self._retries,
            repeatable=self.call.repeatable,
            remaining=self.deadline.remaining(),
            policy=self._context.policy,
            random=self._context.random,
        )
        cost = retry_cost(error)
        if delay is None or not self._context.budget.withdraw(cost):
            self._finish(self._first_of(error))
            return
        self._refund = cost
        self._cause, self.delay = "retry", delay
        self._retries += 1
        self._orphans += error.possibly_acted and not self.call.request.is_read_only
        if self._emitter is not None:
            self._emitter.retry_scheduled(delay, error)

    def _falls_back(self, error: APIError) -> bool:
        """Continue with the call's fallback, if it has one for this error; that costs no retry."""
        if (
            not isinstance(error, APIStatusError)
            or error.step is not None
            or self.call.fallback is None
        ):
            return False
        other = self.call.fallback(error)
        if other is None:
            return False
        self._before_fallback = error
        self.call = other
        self._cause, self.delay = "fallback", 0.0
        return True

    def _renews(self, error: APIError) -> bool:
        """Send again, once, with a new token when the server refused it; that costs no retry."""
        token = self._authorization
        if (
            self._renewed
            or not isinstance(token, IssuedToken)
            or not isinstance(error, AuthenticationError)
            or error.step is not None
            or not self.deadline.remaining()
        ):
            return False
        token.is_refused = self._renewed = True
        self._cause, self.delay = "renewal", 0.0
        return True

    def _resends(self, error: APIError) -> bool:
        """Send again at once when the server had closed an idle connection; that costs no retry."""
        is_stale = isinstance(error, APIConnectionError) and error.stale
        if (
            self._resent
            or not is_stale
            or not self.call.repeatable
            or not self.deadline.remaining()
        ):
            return False
        self._resent = True
        self._orphans += not self.call.request.is_read_only
        self._cause, self.delay = "resend", 0.0
        return True

    def _first_of(self, error: APIError) -> APIError:
        """Return the error to raise: the first one, if the fallback's endpoint is missing too."""
        first = self._before_fallback
        is_missing = isinstance(error, NotFoundError) and is_bare_404(error.status_code, error.code)
        if first is None or not is_missing:
            return error
        first.attempts = self._attempts
        if is_bare_404(first.status_code, first.code):
            hints = {NO_ENDPOINT: NO_ENDPOINT_HINT, **self.call.hints}
            first.hint = find_hint(hints, first.status_code, first.code)
        return first

    def _abandon(self, error: BaseException) -> None:
        """End the call with an exception that is no `APIError`."""
        self._attempt_finished(error)
        self._end(error)

    def _attempt_finished(
        self, error: BaseException, status: int | None = None, request_id: str | None = None
    ) -> None:
        if self._emitter is not None:
            self._emitter.attempt_finished(status, request_id, error)

    def _finish(self, error: APIError | None) -> None:
        self._error = error
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._finished = True
        if self._emitter is not None:
            self._emitter.call_finished(error)


def _is_failure(error: BaseException | None) -> TypeGuard[APIError]:
    """Return whether an exception means that the API sent no response, or received no request."""
    return isinstance(error, APIConnectionError) or (
        isinstance(error, APIError) and error.step is not None
    )
