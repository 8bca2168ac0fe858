"""What somebody who calls the API by hand writes: a pydantic model of the answer.

Owns: the model. Must not know: any HTTP client.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class ClientSecret(BaseModel):
    """The answer of `/realtime/client_secrets`."""

    model_config = ConfigDict(extra="allow")

    value: str
    expires_at: int
    session: dict[str, Any]
