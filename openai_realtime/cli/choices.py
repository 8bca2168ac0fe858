"""The words that options take where only some are right.

Owns: the words. Must not know: typer, or what becomes of a choice.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from openai_realtime.testing import profiles


class TurnDetection(StrEnum):
    """What `--turn-detection` takes."""

    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"
    NONE = "none"


class ProviderName(StrEnum):
    """What `--provider` takes."""

    OPENAI = "openai"
    AZURE = "azure"
    AZURE_PREVIEW = "azure-preview"
    XAI = "xai"
    LITELLM = "litellm"


class MockProviderName(StrEnum):
    """What `--provider` of the mock server takes: also those that a base URL is enough for."""

    OPENAI = "openai"
    AZURE = "azure"
    AZURE_PREVIEW = "azure-preview"
    XAI = "xai"
    LITELLM = "litellm"
    BIFROST = "bifrost"
    COMPATIBLE = "compatible"
    KEYLESS = "keyless"


class AzureAuth(StrEnum):
    """What `--azure-auth` takes."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105 - a word, not a password


class DialectName(StrEnum):
    """What `--dialect` takes."""

    AUTO = "auto"
    BETA = "beta"
    GA = "ga"


class MockDialectName(StrEnum):
    """What `--dialect` of the mock server takes."""

    BETA = "beta"
    GA = "ga"
    BOTH = "both"


class LogFormat(StrEnum):
    """What `--log` takes."""

    TEXT = "text"
    JSON = "json"


def profile_name(
    choice: ProviderName | MockProviderName | None,
) -> profiles.ProviderName | None:
    """Return a provider as the mock server calls it."""
    return cast("profiles.ProviderName", choice.replace("-", "_")) if choice else None
