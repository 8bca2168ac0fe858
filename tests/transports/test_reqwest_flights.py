"""What drives pyreqwest's coroutines: as PyO3 has them wait, and when they do not end by themselves."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from openai_realtime.core.deadline import Deadline
from openai_realtime.transports.reqwest_flights import Flights

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
        assert flights._check is None
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
