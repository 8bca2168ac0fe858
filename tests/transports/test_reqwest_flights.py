"""What drives pyreqwest's coroutines: as PyO3 has them wait, and when they do not end by themselves."""

import asyncio
import gc
import math
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from openai_realtime.core.deadline import Deadline
from openai_realtime.transports.reqwest_flights import Flights, _Flight

LATER = 30.0


class News:
    """Waits as a coroutine of PyO3's does, and is told from another thread."""

    def __init__(self) -> None:
        self.waited = threading.Event()
        self.asked: Any = None
        self.future: object = None

    def __await__(self) -> Generator[Any, None, str]:
        self.asked = asyncio.get_running_loop()
        future = self.asked.create_future()
        self.future = future
        self.waited.set()
        yield next(iter(future))
        return "landed"

    def tell(self) -> None:
        self.asked.call_soon_threadsafe(print, self.future)


async def landing(news: News) -> str:
    return await news


def flying(body: Callable[[Flights], Coroutine[Any, Any, None]]) -> None:
    async def in_a_loop() -> None:
        await body(Flights(asyncio.get_running_loop()))

    asyncio.run(in_a_loop())


def in_time(seconds: float = LATER) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def test_news_from_another_thread_lands_it() -> None:
    async def body(flights: Flights) -> None:
        news = News()
        task = asyncio.create_task(flights.run(landing(news), in_time()))
        await asyncio.sleep(0)
        assert news.asked is flights
        assert not flights.is_closed()
        assert asyncio.get_running_loop() is not flights, "nobody else meets it"
        threading.Thread(target=news.tell).start()
        assert await task == "landed"

    flying(body)


def test_what_departs_while_others_are_on_their_way_departs_at_the_next_turn_together() -> None:
    async def body(flights: Flights) -> None:
        every = [News() for _ in range(4)]
        tasks = [asyncio.create_task(flights.run(landing(news), in_time())) for news in every]
        await asyncio.sleep(0)
        assert [news.waited.is_set() for news in every] == [True, False, False, False]
        await asyncio.sleep(0)
        assert all(news.waited.is_set() for news in every)
        for news in every:
            threading.Thread(target=news.tell).start()
        assert await asyncio.gather(*tasks) == ["landed"] * 4

    flying(body)


def test_news_before_it_could_wait_has_it_driven_again() -> None:
    turns = 0

    async def eager() -> str:
        class Unready:
            def __await__(self) -> Generator[None, None, None]:
                nonlocal turns
                turns += 1
                yield None  # what PyO3's coroutines yield then

        await Unready()
        await Unready()
        return "landed"

    async def body(flights: Flights) -> None:
        assert await flights.run(eager(), in_time()) == "landed"

    flying(body)
    assert turns == 2


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), asyncio.CancelledError("gone")])
def test_what_it_raises_is_raised(error: BaseException) -> None:
    async def fails() -> None:
        raise error

    async def body(flights: Flights) -> None:
        with pytest.raises(type(error), match="gone"):
            await flights.run(fails(), in_time())

    flying(body)


def test_each_is_ended_at_its_own_deadline() -> None:
    ended: list[float] = []

    async def body(flights: Flights) -> None:
        began = time.monotonic()

        async def overdue(seconds: float) -> None:
            with pytest.raises(TimeoutError):
                await flights.run(landing(News()), in_time(seconds))
            ended.append(seconds)
            assert seconds <= time.monotonic() - began < seconds + 0.1

        # The second is due before the first, the third long after both.
        await asyncio.gather(overdue(0.1), overdue(0.05), overdue(0.2))

    flying(body)
    assert ended == [0.05, 0.1, 0.2]


def test_a_check_that_finds_nobody_left_is_the_last() -> None:
    async def body(flights: Flights) -> None:
        news = News()
        task = asyncio.create_task(flights.run(landing(news), in_time(0.05)))
        await asyncio.sleep(0)
        news.tell()
        assert await task == "landed"
        await asyncio.sleep(0.1)
        assert flights._checked_at == math.inf
        with pytest.raises(TimeoutError):
            await flights.run(landing(News()), in_time(0.02))

    flying(body)


def test_a_cancelled_one_is_closed_and_hears_no_more() -> None:
    closed = False

    async def noticing(news: News) -> None:
        nonlocal closed
        try:
            await news
        except GeneratorExit:
            closed = True
            raise

    async def body(flights: Flights) -> None:
        news = News()
        task = asyncio.create_task(flights.run(noticing(news), in_time()))
        await asyncio.sleep(0)
        task.cancel("mine")
        with pytest.raises(asyncio.CancelledError, match="mine"):
            await task
        assert closed
        news.tell()  # too late: nobody is there
        await asyncio.sleep(0)
        assert not flights._on_their_way

    flying(body)


def test_one_that_is_cancelled_before_it_departs_never_does() -> None:
    async def body(flights: Flights) -> None:
        first, second = News(), News()
        tasks = [
            asyncio.create_task(flights.run(landing(news), in_time())) for news in (first, second)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert tasks[1].cancelled()
        assert not second.waited.is_set()
        first.tell()
        assert await tasks[0] == "landed"

    flying(body)


def test_one_that_is_cancelled_while_it_is_driven_takes_none_of_the_others_turns() -> None:
    """As Ctrl-C does: `asyncio.run` cancels the main task between any two steps."""
    tasks: list[asyncio.Task[str]] = []

    async def interrupted(news: News, error: Exception | None) -> str:
        await news
        tasks[0].cancel()
        if error is not None:
            raise error
        return "landed"

    async def body(flights: Flights) -> None:
        for error in (None, ValueError("gone")):
            first, second = News(), News()
            tasks[:] = [
                asyncio.create_task(flights.run(interrupted(first, error), in_time())),
                asyncio.create_task(flights.run(landing(second), in_time())),
            ]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first.tell()
            second.tell()
            assert await tasks[1] == "landed"
            assert tasks[0].cancelled()

    flying(body)


def test_a_turn_that_is_broken_off_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(flights: Flights) -> None:
        first, second = News(), News()
        tasks = [
            asyncio.create_task(flights.run(landing(news), in_time())) for news in (first, second)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        drive = flights._drive

        def break_off(_flight: object) -> None:
            monkeypatch.setattr(flights, "_drive", drive)
            raise MemoryError

        monkeypatch.setattr(flights, "_drive", break_off)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        first.tell()
        second.tell()
        assert await tasks[1] == "landed"
        tasks[0].cancel()

    flying(body)


def test_a_turn_that_cannot_be_announced_is_announced_the_next_time() -> None:
    def refuse(_turn: object) -> None:
        raise MemoryError

    async def body(flights: Flights) -> None:
        with pytest.raises(MemoryError):
            flights._announce_turn(refuse)
        assert not flights._is_turn_coming

    flying(body)


def test_who_meets_it_by_chance_is_handed_on() -> None:
    """A signal handler runs between any two steps, and may ask for the running loop."""
    heard = asyncio.Event()

    async def interrupted() -> object:
        found: Any = asyncio.get_running_loop()
        found.call_soon_threadsafe(heard.set)
        found.call_soon_threadsafe(list, "one argument, which is no flight")
        assert found.time() > 0
        return found.create_future()

    async def body(flights: Flights) -> None:
        assert isinstance(await flights.run(interrupted(), in_time()), _Flight)
        assert isinstance(flights.create_future(), asyncio.Future)
        await asyncio.wait_for(heard.wait(), 5)

    flying(body)


def test_neither_the_loop_nor_an_answer_is_kept() -> None:
    class Answer:
        pass

    async def answering() -> Answer:
        return Answer()

    event_loop = asyncio.new_event_loop()
    flights = Flights(event_loop)
    answer = weakref.ref(event_loop.run_until_complete(flights.run(answering(), in_time())))
    gc.collect()
    assert answer() is None
    assert not flights.is_closed()
    event_loop.close()
    assert flights.is_closed()
    gone = weakref.ref(event_loop)
    del event_loop
    gc.collect()
    assert gone() is None
    assert flights.is_closed()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        flights.time()


def test_one_that_landed_as_its_time_was_over_has_landed() -> None:
    async def body(flights: Flights) -> None:
        news = News()
        task = asyncio.create_task(flights.run(landing(news), in_time(0.02)))
        await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 - the loop is held up while the news comes
        flights.call_soon_threadsafe(print, news.future)
        flights._take_turn()
        flights._end_the_overdue(flights._checked_at)
        assert await task == "landed"

    flying(body)


def test_a_process_waits_at_its_end() -> None:
    program = """
import atexit, time
waits = []
atexit.register = lambda *call: waits.append(call)
import openai_realtime.transports.reqwest
assert (time.sleep, 0.02) in waits, waits
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
