"""Which of several models a part of an answer is: its `type` says so.

Owns: how that is found while JSON is read, and what becomes of a type that nobody knows. Must not
know: any model.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_UNFIT = ("unfit", "does not fit its type")


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """Annotates the model for what has no known `type` with those for the types that are known.

    A discriminator that is a function would have pydantic make Python objects of the JSON first, and
    read those: a name is looked up where the JSON is.
    """

    known: tuple[tuple[str, type], ...]
    """Each type that is known, and its model."""

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # pydantic's own signature
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        models: dict[Hashable, CoreSchema] = {
            name: handler.generate_schema(model) for name, model in self.known
        }
        told = core_schema.tagged_union_schema(models, discriminator="type")
        others = core_schema.no_info_before_validator_function(self._untold, handler(source))
        return core_schema.union_schema([told, others], mode="left_to_right")

    def _untold(self, value: object) -> object:
        """Refuse what one of the known models is for: it was tried, and does not fit."""
        kind = type_of(value)  # which a server may have made anything, unhashable things too
        if any(kind == name for name, _ in self.known):
            raise PydanticCustomError(*_UNFIT)
        return value


def type_of(value: object) -> object:
    """Return what a dict or a model says of its type; None: nothing."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get("type")
    return getattr(value, "type", None)
