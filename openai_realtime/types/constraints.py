"""Range checks for parameters that say the whole range when they fail.

Owns: how a check reads. Must not know: any parameter.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

STRICT = ConfigDict(extra="forbid", strict=True)
"""How parameters are checked, the nested ones too: no unknown keys, no guessing of types."""


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
