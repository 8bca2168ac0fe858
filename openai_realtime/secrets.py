"""Strings for keys and secrets whose `repr` is masked.

A secret here is a `str`: it compares, encodes and serialises like one, so JSON for the browser
contains its value. Only `repr()` is masked, and so is the repr of every model, dataclass, container
and captured local variable that holds it. `str(secret)` and f-strings give the value, because
`f"Bearer {secret}"` must work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, SupportsIndex

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MASK = "**********"
MAX_SECRET_CHARACTERS = 4096


class RedactedStr(str):
    """A `str` whose `repr` is masked, as are its copies and slices. Pickling raises `TypeError`.

    As a pydantic field it takes 1 to 4096 visible ASCII characters: those that a header can carry.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK!r})"

    def __getitem__(self, key: SupportsIndex | slice) -> Self:
        # Tools that shorten long texts, such as rich, show the repr of a slice.
        return type(self)(super().__getitem__(key))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = (
            f"{type(self).__name__} is a secret and cannot be pickled: to pickle its value, pass "
            "str(secret)"
        )
        raise TypeError(message)

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: type[Any],  # pydantic's own signature
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - pydantic loads on first use

        # The pattern is checked before the conversion: a later check would return a plain `str`.
        usable = core_schema.str_schema(pattern=r"^[!-~]+$", max_length=MAX_SECRET_CHARACTERS)
        return core_schema.no_info_after_validator_function(cls, usable)


class RedactedBytes(bytes):
    """`bytes` whose `repr` is masked: the value of a header that may hold a gateway's key."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK!r})"


class ApiKey(RedactedStr):
    """A long-lived server-side key, or an Entra token. It must stay on the backend."""

    __slots__ = ()


class BearerToken(ApiKey):
    """An Entra token from the environment: it is sent as a Bearer token, also where keys are not."""

    __slots__ = ()


class EphemeralKey(RedactedStr):
    """A short-lived client secret, made for one browser or phone."""

    __slots__ = ()


class WebhookSecret(RedactedStr):
    """The secret with which a provider signs its webhooks: `whsec_` and base64."""

    __slots__ = ()


class McpCredential(RedactedStr):
    """An OAuth token or a header's value for a remote MCP server. It can be any text."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - pydantic loads on first use

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


@dataclass(slots=True)
class Authorization:
    """A key, and the header (name and value) that carries it. Its repr shows neither."""

    token: Final[ApiKey]
    header: Final[tuple[bytes, bytes]]

    def __repr__(self) -> str:
        return f"Authorization({MASK!r})"
