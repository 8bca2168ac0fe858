"""`client.models`: reads what the provider says about a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack, cast
from urllib.parse import quote

from pydantic import ValidationError

from openai_realtime.configuration import Configuration
from openai_realtime.core.exchange import Call
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.wire import Response
from openai_realtime.errors import APIResponseValidationError, ParameterError
from openai_realtime.resources.parameters import Parameters, encode_text
from openai_realtime.resources.requests import CallArguments
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.types.model import Model, ModelRetrieveParameters, ModelRetrieveParams

RETRIEVE = Parameters(ModelRetrieveParameters)
_PARENT_DIRECTORIES = frozenset({"", ".", ".."})


def retrieve_call(
    configuration: Configuration, model: str, params: Mapping[str, object]
) -> Call[Model]:
    """Return the call of `models.retrieve`."""
    arguments = CallArguments.split(configuration, params)
    if RETRIEVE.validate(arguments.parameters, arguments.extra_body):
        message = "extra_body must be empty in models.retrieve: a GET request has no body"
        raise ParameterError(message, param="extra_body")
    name = cast("object", model)
    if not isinstance(name, str) or name in _PARENT_DIRECTORIES:
        message = "model must be a model's name, such as gpt-realtime-2.1"
        raise ParameterError(message, param="model")
    path = quote(encode_text("model", name), safe=":@")
    request = arguments.get(configuration.provider.url("models", path))
    return Call("models.retrieve", request, _read_model, arguments.timeout)


def _read_model(response: Response, meta: ResponseMeta) -> Model:
    try:
        return Model.model_validate_json(response.body).with_meta(meta)
    except ValidationError:
        message = "The server responded with success but without a model"
    raise APIResponseValidationError(message)


class AsyncModels(AsyncResource):
    """`client.models` of the async client."""

    @takes(ModelRetrieveParams)
    async def retrieve(self, /, model: str, **params: Unpack[ModelRetrieveParams]) -> Model:
        """Read what the provider says about a model: `GET {base_url}/models/{model}`.

        It costs nothing and changes nothing, so it also tests a key and a base URL. The options are
        those of `sessions.create`, without `extra_body`. Returns the model, with its
        `shutdown_date` where the provider has announced one.

        Raises `NotFoundError` when there is no such model, or when the key may not use it, and
        otherwise what `sessions.create` raises.
        """
        return await self._driver.run(retrieve_call(self._configuration, model, params))


class Models(SyncResource):
    """`client.models` of the sync client."""

    @takes(ModelRetrieveParams)
    def retrieve(self, /, model: str, **params: Unpack[ModelRetrieveParams]) -> Model:
        """Read what the provider says about a model: `GET {base_url}/models/{model}`.

        It costs nothing and changes nothing, so it also tests a key and a base URL. The options are
        those of `sessions.create`, without `extra_body`. Returns the model, with its
        `shutdown_date` where the provider has announced one.

        Raises `NotFoundError` when there is no such model, or when the key may not use it, and
        otherwise what `sessions.create` raises.
        """
        return self._driver.run(retrieve_call(self._configuration, model, params))
