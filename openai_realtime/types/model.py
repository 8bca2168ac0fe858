"""A model of the provider, as `models.retrieve` returns it."""

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from openai_realtime.types.annotations import STRICT
from openai_realtime.types.base import RequestOptions, ResponseModel


@with_config(STRICT)
class ModelRetrieveParameters(TypedDict):
    """`models.retrieve` has no parameters."""


class ModelRetrieveParams(ModelRetrieveParameters, RequestOptions, total=False):
    """The keyword arguments of `models.retrieve`."""


class Model(ResponseModel):
    """A model that the API key may use."""

    id: str
    """The model's name."""
    object: Literal["model"] | str | None = None
    """Always `model`."""
    created: int | None = None
    """When it was made, in Unix seconds."""
    owned_by: str | None = None
    """The organization that owns it."""
    shutdown_date: str | None = None
    """The day on which it is shut down, such as `2027-03-01`; None: no day is announced, or the
    server does not send one."""
