"""`client.translations.client_secrets`: mints a client secret for a translation session."""

from __future__ import annotations

from typing import Unpack

from openai_realtime.configuration import Configuration
from openai_realtime.dialects import nested_response
from openai_realtime.resources.create_operation import CreateOperation, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
from openai_realtime.types.translation import (
    TranslationClientSecretCreateParams,
    TranslationClientSecretCreateResponse,
    TranslationParameters,
)

CREATE = CreateOperation(
    name="translations.client_secrets.create",
    endpoint="translations",
    dialect="ga",
    parameters=Parameters(TranslationParameters),
    model=TranslationClientSecretCreateResponse,
    parse_shape=nested_response,
)


class AsyncTranslationClientSecrets(AsyncResource):
    """`client.translations.client_secrets` of the async client."""

    @takes(TranslationClientSecretCreateParams)
    async def create(
        self, /, **params: Unpack[TranslationClientSecretCreateParams]
    ) -> TranslationClientSecretCreateResponse:
        """Mint a translation secret: `POST {base_url}/realtime/translations/client_secrets`.

        The parameters are `session` and `expires_after`, which
        `TranslationClientSecretCreateParams` documents, and options. Returns the secret (`value`,
        `expires_at`) and the `session` that it opens. This endpoint has no flat shape, so `dialect`
        has no effect here.

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class TranslationClientSecrets(SyncResource):
    """`client.translations.client_secrets` of the sync client."""

    @takes(TranslationClientSecretCreateParams)
    def create(
        self, /, **params: Unpack[TranslationClientSecretCreateParams]
    ) -> TranslationClientSecretCreateResponse:
        """Mint a translation secret: `POST {base_url}/realtime/translations/client_secrets`.

        The parameters are `session` and `expires_after`, which
        `TranslationClientSecretCreateParams` documents, and options. Returns the secret (`value`,
        `expires_at`) and the `session` that it opens. This endpoint has no flat shape, so `dialect`
        has no effect here.

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return self._driver.run(create_call(self._configuration, CREATE, params))


class AsyncTranslations(AsyncResource):
    """`client.translations` of the async client."""

    client_secrets: AsyncTranslationClientSecrets
    """Client secrets for translation sessions: `create`."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        super().__init__(driver, configuration)
        self.client_secrets = AsyncTranslationClientSecrets(driver, configuration)


class Translations(SyncResource):
    """`client.translations` of the sync client."""

    client_secrets: TranslationClientSecrets
    """Client secrets for translation sessions: `create`."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        super().__init__(driver, configuration)
        self.client_secrets = TranslationClientSecrets(driver, configuration)
