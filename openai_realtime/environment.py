"""The environment variables that the package reads.

Rule for this file: no other file of the package reads the environment.
"""

from __future__ import annotations

import os
from typing import Final, Literal, get_args

ClientVariable = Literal[
    "ALL_PROXY",
    "AZURE_OPENAI_AD_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "ELEVENLABS_API_KEY",
    "HTTPS_PROXY",
    "LITELLM_API_KEY",
    "NO_PROXY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_REALTIME_DIALECT",
    "OPENAI_REALTIME_LOG",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XAI_API_KEY",
    "all_proxy",
    "https_proxy",
    "no_proxy",
]
ServerVariable = Literal["OPENAI_REALTIME_SERVE_TOKENS", "OPENAI_WEBHOOK_SECRET"]

CLIENT_VARIABLES: Final[tuple[str, ...]] = get_args(ClientVariable)
"""The variables that a client reads."""


def read_variable(name: ClientVariable | ServerVariable) -> str | None:
    """Return the variable's value, or None when it is not set."""
    return os.environ.get(name)


def read_key_variable(variable: str) -> str | None:
    """Return the value of the variable that a `Provider` names for its key, or None."""
    return os.environ.get(variable)
