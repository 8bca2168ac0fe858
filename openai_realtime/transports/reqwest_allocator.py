"""Loading pyreqwest: its allocator is told to use no huge pages.

Owns: the setting that the allocator, mimalloc, reads while it is loaded. Must not know: engines.

A huge page is 2 MiB, and mimalloc asks for them (Linux grants that by default): three of them stand
behind a pool that holds a few hundred KiB. Without them a process needs 7 MB less, and mints no slower.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

_SETTING = "MIMALLOC_ALLOW_THP"


def load_pyreqwest() -> None:
    """Import pyreqwest. The environment is as before afterwards, and what it said is heeded."""
    # A native thread that reads the environment must not meet one that changes.
    is_alone = threading.active_count() == 1
    if sys.platform != "linux" or not is_alone or _SETTING in os.environ:
        import_module("pyreqwest.client")
        return
    os.environ[_SETTING] = "0"
    try:
        import_module("pyreqwest.client")
    finally:
        del os.environ[_SETTING]
