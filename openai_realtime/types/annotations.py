"""pydantic annotations: checks of parameters, and how some values of a response are read.

Rules for this file:
- A check states its whole rule when it fails, and what passes it is JSON.
- What a usual response holds is read in Rust: no annotation calls Python for it.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import (
    AfterValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""The settings of parameters, nested ones too: no unknown keys, no conversion between types."""

AS_LIST = AfterValidator(list)
"""Annotates a sequence of any class that becomes a JSON array."""


def _finite(value: object) -> object:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float) and not math.isfinite(item):
            kind, message = "unexpected_value", "must hold finite numbers: JSON has no others"
            raise PydanticCustomError(kind, message)
        if isinstance(item, list):
            pending += cast("list[object]", item)
        elif isinstance(item, dict):
            pending += cast("dict[str, object]", item).values()
    return value


if TYPE_CHECKING:
    JsonParam = Mapping[str, object]
else:  # Checked at run time; as a static type it would be invariant, and refuse plain dicts.
    JsonParam = dict[str, Annotated[JsonValue, AfterValidator(_finite)]]


@dataclass(frozen=True, slots=True)
class Expect:
    """Annotates a type with the message for a wrong value: `must be {what}`."""

    what: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source),
            custom_error_type="unexpected_value",
            custom_error_message=f"must be {self.what}",
        )


@dataclass(frozen=True, slots=True)
class Between:
    """Annotates a number with its inclusive range; `high` None means no upper end."""

    low: float
    high: float | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        what = "a whole number" if source is int else "a number"
        bounds = f"from {self.low:g} to {self.high:g}" if self.high else f"{self.low:g} or more"
        make = core_schema.int_schema if source is int else core_schema.float_schema
        return core_schema.custom_error_schema(
            make(ge=self.low, le=self.high, strict=True),  # type: ignore[arg-type]  # int bounds suit both
            custom_error_type="out_of_range",
            custom_error_message=f"must be {what} {bounds}",
        )


@dataclass(frozen=True, slots=True)
class FloatWhenNull:
    """Annotates a float of a response: null becomes `value`."""

    value: float
    """What null becomes."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # The first step lets null or a number through, and reports what is neither. The second step
        # fails for null alone, and then gives `value`.
        either = core_schema.nullable_schema(handler(source))
        value = core_schema.with_default_schema(
            core_schema.float_schema(strict=True), default=self.value, on_error="default"
        )
        return core_schema.chain_schema(
            [either, value],
            serialization=core_schema.simple_ser_schema("float"),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema
        return handler(core_schema.float_schema())


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """Annotates the model for an object without a known `type` with the models for known types.

    With a function as discriminator, pydantic would first make Python objects of the JSON and read
    those. With a field's name as discriminator, it reads the JSON itself.
    """

    known: tuple[tuple[str, type], ...]
    """Each known type, and its model."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        models: dict[Hashable, CoreSchema] = {
            name: handler.generate_schema(model) for name, model in self.known
        }
        tagged = core_schema.tagged_union_schema(models, discriminator="type")
        others = core_schema.no_info_before_validator_function(
            self._refuse_known_type, handler(source)
        )
        return core_schema.union_schema([tagged, others], mode="left_to_right")

    def _refuse_known_type(self, value: object) -> object:
        """Return a value without a known type; one with a known type did not fit its model."""
        kind = type_of(value)  # A server may send anything here, unhashable values too.
        if any(kind == name for name, _ in self.known):
            error_type, message = "unfit", "does not fit its type"
            raise PydanticCustomError(error_type, message)
        return value


def type_of(value: object) -> object:
    """Return the `type` of a dict or a model; None when it has none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get("type")
    return getattr(value, "type", None)
