"""The model of a response that users of a plain HTTP client write."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class ClientSecret(BaseModel):
    """The response of `/realtime/client_secrets`."""

    model_config = ConfigDict(extra="allow")

    value: str
    expires_at: int
    session: dict[str, Any]
