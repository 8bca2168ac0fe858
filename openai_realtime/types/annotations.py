"""pydantic annotations that check parameters, and that parse some values of responses.

Rules for this file:

- The error of a check states the whole rule; a value that passes a check is JSON.
- No annotation calls Python code for the values of a usual response: Rust code parses them.
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
    """A JSON object."""
else:  # For type checkers it would be invariant, and plain dicts would be errors.
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
        # The first step accepts null or a number, and reports anything else. The second step fails
        # only for null, and then returns `value`.
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
class DefaultWhenWrong:
    """Annotates a field that is not needed: a value of a wrong type becomes `value`."""

    value: object
    """What a wrong value becomes."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_default_schema(
            handler(source), default=self.value, on_error="default"
        )


@dataclass(frozen=True, slots=True)
class OmitWhenWrong:
    """Annotates the items of a list: those of a wrong type are left out."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), on_error="omit")


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """Annotates the model of unknown types, and makes it a union with the models of known types.

    The discriminator is a field's name, because pydantic then parses the JSON directly. For a
    function as discriminator, it would first convert the JSON to Python objects.
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
        """Return `value`; raise if its type is known, because then it did not fit that model."""
        kind = type_of(value)  # may be unhashable
        if any(kind == name for name, _ in self.known):
            error_type, message = "unfit", "does not fit its type"
            raise PydanticCustomError(error_type, message)
        return value


def type_of(value: object) -> object:
    """Return the `type` of a dict or a model; None when it has none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get("type")
    return getattr(value, "type", None)


def members_of(value: object) -> dict[str, object]:
    """Return a dict as it is, and an empty one in place of any other value."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
