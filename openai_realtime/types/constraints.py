"""Checks of parameters: each says the whole rule when it fails, and what passes is JSON.

Owns: how a check reads. Must not know: any parameter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, ConfigDict, GetCoreSchemaHandler, JsonValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""How parameters are checked, the nested ones too: no unknown keys, no guessing of types."""


AS_LIST = AfterValidator(list)
"""Annotates a sequence, of whatever class, that is to become a JSON array."""


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
    """Annotates a type with what a wrong value is told: `must be {what}`."""

    what: str

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
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
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        what = "a whole number" if source is int else "a number"
        bounds = f"from {self.low:g} to {self.high:g}" if self.high else f"{self.low:g} or more"
        make = core_schema.int_schema if source is int else core_schema.float_schema
        return core_schema.custom_error_schema(
            make(ge=self.low, le=self.high, strict=True),  # type: ignore[arg-type]  # int bounds suit both
            custom_error_type="out_of_range",
            custom_error_message=f"must be {what} {bounds}",
        )
