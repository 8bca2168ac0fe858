"""What a principal is called wherever it is written down: never by its name.

Owns: the pseudonym. Must not know: where it goes (logs, the limiter, the provider).
"""

from __future__ import annotations

import hashlib
import hmac

from openai_realtime.errors import ConfigurationError

_SHORTEST_KEY = 16
_NO_KEY = b"openai_realtime.mint"


class Pseudonyms:
    """HMAC-SHA256 of principals under a server's key: 64 hexadecimal characters.

    Without a key the pseudonyms are made with one that everybody knows: they keep names out of logs
    at a glance, but whoever guesses a name can check the guess.
    """

    def __init__(self, key: str | bytes | None) -> None:
        given = key.encode() if isinstance(key, str) else key
        is_short = given is not None and len(given) < _SHORTEST_KEY
        self._mac = hmac.new(given or _NO_KEY, digestmod=hashlib.sha256)
        del given  # a captured local variable would show it
        if is_short:
            message = f"safety_key is unusable: it must have {_SHORTEST_KEY} bytes or more"
            raise ConfigurationError(message)

    def of(self, principal: str) -> str:
        """Return the pseudonym, which is the same for the same principal and key, always."""
        mac = self._mac.copy()
        mac.update(principal.encode("utf-8", "surrogatepass"))
        return mac.hexdigest()
