"""The default engine, blocking: as `lane_engine.py`'s, for threads.

Owns: how many connections there are, which are kept, and for whom: each process has its own. Must
not know: retries, credentials, endpoints.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openai_realtime.core.body import BodyReader
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.connections import SyncLane
from openai_realtime.transports.httpcore_requests import engine_request, origin_of, parsed_url
from openai_realtime.transports.lanes import (
    Lanes,
    check_open,
    raise_first,
)
from openai_realtime.transports.proxies import ProxyRules
from openai_realtime.transports.quiet import quietly
from openai_realtime.transports.turns import sync_turns, take_sync_turn

if TYPE_CHECKING:
    import httpcore

    from openai_realtime.core.deadline import Deadline, Timeout


@dataclass(slots=True)
class _SyncPlace:
    """One process's lanes."""

    process: int
    lanes: Lanes[SyncLane] = field(default_factory=lambda: Lanes(time.monotonic))
    turns: threading.Semaphore = field(default_factory=sync_turns)


class SyncLaneEngine:
    """Sends requests on the calling thread. Threads share it; a forked child starts afresh."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._here = _SyncPlace(os.getpid())
        self._is_closed = False

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        place = self._place()
        outgoing = engine_request(request, request.body, limits, deadline)
        origin = origin_of(outgoing.url)
        trouble = quietly()
        take_sync_turn(place.turns, limits, deadline)
        try:
            with trouble:
                lane = self._lane(place, outgoing.url, request.max_idle, deadline)
                try:
                    response = lane.handle(outgoing, deadline)
                    headers = Headers.of_raw(response.headers)
                    body = BodyReader(headers)
                    for chunk in response.iter_stream():
                        body.feed(chunk)
                        if body.is_too_large:
                            break
                    response.close()
                    answer = Response(response.status, headers, body.finish())
                except BaseException:
                    trouble.may_be_stale = lane.was_idle and not lane.has_answer_begun
                    lane.close()
                    raise
                if self._is_closed or not lane.may_serve_again(answer.status):
                    lane.close()
                elif stale := place.lanes.keep(origin, lane):
                    stale.close()
                return answer
        finally:
            if trouble.was_stale:  # the others have been idle for longer
                for other in place.lanes.drain(origin):
                    other.close()
            place.turns.release()

    def connect(self, url: str, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Have `count` idle connections to the origin of `url`: open what is missing, all at once."""
        place = self._place()
        target, _ = parsed_url(url)
        origin = origin_of(target)
        troubles: list[APIConnectionError] = []

        def open_one() -> None:
            lane = SyncLane(target, self._rules, deadline)
            try:
                with quietly():
                    lane.connect(limits.connect)
            except APIConnectionError as error:
                troubles.append(error)
            finally:
                if self._is_closed or not lane.was_idle:
                    lane.close()
                else:
                    place.lanes.keep(origin, lane)

        openers = [
            threading.Thread(target=open_one, name="openai_realtime-opener")
            for _ in range(count - place.lanes.count(origin))
        ]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
        raise_first(troubles)

    def close(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        self._is_closed = True
        for lane in self._here.lanes.drain():
            lane.close()

    def _place(self) -> _SyncPlace:
        check_open(is_closed=self._is_closed)
        if self._here.process != os.getpid():
            # The parent goes on using these connections. Closing our copies of their descriptors
            # sends nothing: neither TCP's FIN nor TLS's close_notify.
            for lane in self._here.lanes.drain():
                lane.close()
            self._here = _SyncPlace(os.getpid())
        return self._here

    def _lane(
        self, place: _SyncPlace, url: httpcore.URL, max_idle: float, deadline: Deadline
    ) -> SyncLane:
        while (lane := place.lanes.take(origin_of(url), max_idle)) is not None:
            if not lane.has_expired():
                return lane
            lane.close()
        return SyncLane(url, self._rules, deadline)
