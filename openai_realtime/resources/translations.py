"""`client.translations.client_secrets`: mint a client secret for a translation session.

Owns: the translations endpoint. Must not know: transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from openai_realtime.dialects import nested_response
from openai_realtime.resources.create_operation import CreateOperation, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.types.translation import (
    TranslationClientSecretCreateResponse,
    TranslationParameters,
)

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.transports.base import AsyncDriver, SyncDriver
    from openai_realtime.types.translation import TranslationClientSecretCreateParams

CREATE = CreateOperation(
    name="translations.client_secrets.create",
    endpoint="translations",
    dialect="ga",
    parameters=Parameters(TranslationParameters),
    model=TranslationClientSecretCreateResponse,
    parse_shape=nested_response,
)


class AsyncTranslationClientSecrets:
    """`client.translations.client_secrets` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(
        self, /, **params: Unpack[TranslationClientSecretCreateParams]
    ) -> TranslationClientSecretCreateResponse:
        """Mint a translation secret: `POST {base_url}/realtime/translations/client_secrets`.

        Takes `expires_after` and `session`; options and errors are those of `sessions.create`.
        There is no flat shape of it, so `dialect` changes nothing here.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class TranslationClientSecrets:
    """`client.translations.client_secrets` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(
        self, /, **params: Unpack[TranslationClientSecretCreateParams]
    ) -> TranslationClientSecretCreateResponse:
        """Mint a translation secret: as `AsyncTranslationClientSecrets.create`, blocking."""
        return self._driver.run(create_call(self._configuration, CREATE, params))


class AsyncTranslations:
    """`client.translations` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self.client_secrets: AsyncTranslationClientSecrets = AsyncTranslationClientSecrets(
            driver, configuration
        )
        """Client secrets for translation sessions: `create`."""


class Translations:
    """`client.translations` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self.client_secrets: TranslationClientSecrets = TranslationClientSecrets(
            driver, configuration
        )
        """Client secrets for translation sessions: `create`."""
