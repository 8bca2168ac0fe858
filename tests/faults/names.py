"""Stand-ins for `socket.getaddrinfo` that are slow, or find no name."""

from __future__ import annotations

import socket
import threading
from typing import Any

GETADDRINFO = socket.getaddrinfo


class SlowNames:
    """A resolver that delays each lookup of `localhost` until it is released."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._released = threading.Event()
        self.lookups = 0

    def resolve(self, host: Any, *arguments: Any, **options: Any) -> Any:
        if is_localhost(host) and not self._is_numeric(arguments, options):
            self.lookups += 1
            self._released.wait(self._seconds)
        return GETADDRINFO(host, *arguments, **options)

    @staticmethod
    def _is_numeric(arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Return whether only a numeric address is allowed, which trio tries first on its own thread."""
        flags = options.get("flags", arguments[4] if len(arguments) > 4 else 0)
        return bool(flags & socket.AI_NUMERICHOST)

    def release(self) -> None:
        self._released.set()


class NoNames:
    """A resolver that does not find `localhost`."""

    def __init__(self) -> None:
        self.lookups = 0

    def resolve(self, host: Any, *arguments: Any, **options: Any) -> Any:
        if not is_localhost(host):
            return GETADDRINFO(host, *arguments, **options)
        self.lookups += 1
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def is_localhost(host: object) -> bool:
    return host in {"localhost", b"localhost"}
