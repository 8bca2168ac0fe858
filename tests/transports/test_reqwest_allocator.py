"""What pyreqwest's allocator is told while it is loaded, and what is left of that."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openai_realtime.transports import reqwest_allocator
from openai_realtime.transports.reqwest_allocator import load_pyreqwest

SETTING = "MIMALLOC_ALLOW_THP"
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.parametrize(
    ("system", "threads", "before", "told"),
    [
        ("linux", 1, None, "0"),
        ("linux", 1, "1", "1"),  # whoever runs the process has decided
        ("linux", 2, None, None),
        ("darwin", 1, None, None),
    ],
)
def test_the_setting_is_there_while_it_is_loaded_and_no_longer(
    system: str,
    threads: int,
    before: str | None,
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if before is not None:
        monkeypatch.setenv(SETTING, before)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    seen: list[str | None] = []
    monkeypatch.setattr(
        reqwest_allocator, "import_module", lambda _: seen.append(os.environ.get(SETTING))
    )
    load_pyreqwest()
    assert seen == [told]
    assert os.environ.get(SETTING) == before


LOADING = """
import os, re
from openai_realtime import RealtimeSessionsClient
RealtimeSessionsClient(api_key="sk-x", transport="reqwest")
assert "MIMALLOC_ALLOW_THP" not in os.environ
print(re.search(r"AnonHugePages: +(\\d+)", open("/proc/self/smaps_rollup").read())[1])
"""


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[madvise]" not in HUGE_PAGES.read_text(),
    reason="huge pages are not given to those alone who ask for them",
)
def test_no_huge_page_is_taken() -> None:
    process = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True, check=False
    )
    assert (process.stdout, process.stderr) == ("0\n", "")
