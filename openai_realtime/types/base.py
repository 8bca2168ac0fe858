"""The base classes of the methods' keyword arguments, and of responses and their parts."""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from openai_realtime.core.deadline import Timeout
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.strict_json import Json
from openai_realtime.official_names import RESPONSE, OfficialNames
from openai_realtime.secrets import RedactedStr

_MAX_REPR_CHARACTERS = 16 * 1024
_NO_SECRETS_KNOWN = Sanitizer()


class RequestOptions(TypedDict, total=False):
    """Options of one call. Every `…Params` TypedDict inherits them."""

    timeout: float | Timeout
    """Seconds for the whole call, or a `Timeout`. Default: the client's."""
    safety_identifier: str
    """A stable, pseudonymous id of the person who will speak (a hash, never an e-mail address), at
    most 64 visible ASCII characters; sent as the `OpenAI-Safety-Identifier` header."""
    strict: bool
    """Whether a parameter that the server's dialect does not have raises `ParameterError`. Default:
    the client's setting, see `ClientOptions.strict`."""
    extra_headers: Mapping[str, str | None]
    """Additional request headers; None leaves out one of the client's `default_headers`.
    `Authorization`, `Host`, `Accept` and framing headers are errors."""
    extra_query: Mapping[str, str | None]
    """Additional query parameters of the URL; None leaves out one of the client's `default_query`."""
    extra_body: Mapping[str, object]
    """Members that are merged into the request's JSON, nested objects included. Use it for fields
    that this version does not know."""


class WireModel(OfficialNames, BaseModel):
    """A part of a response. It stores fields that this version does not know, and dumps them too.

    Equality compares the fields, and ignores `meta` and the time of arrival.
    """

    # Values that are not in the JSON. `object.__setattr__` sets them, because pydantic's own
    # `__setattr__` takes 3 µs longer a value, and its private attributes take 20 µs. Both slots are
    # here because a class can inherit slots from only one base.
    __slots__ = ("_arrival", "_meta")

    _official_names: ClassVar[Mapping[str, str]] = RESPONSE

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow",
        # Building a validator takes milliseconds, so the first response that needs it builds it.
        defer_build=True,
        allow_inf_nan=False,
        # A validation error may be logged, so it must not contain the secret.
        hide_input_in_errors=True,
        # The API has fields whose names pydantic would reserve for itself.
        protected_namespaces=(),
    )
    """pydantic's settings, the same for every part of every response."""

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Yield the names and values that `repr()` and rich show.

        Texts that look like a secret are masked, and so are texts under a secret's name.
        """
        sanitizer = self._sanitizer()
        # A debugger may show a model that is still being created, which has no extra fields yet.
        extra: dict[str, object] | None = getattr(self, "model_extra", None)
        for name, value in {**self.__dict__, **(extra or {})}.items():
            if not isinstance(value, RedactedStr) and isinstance(value, str | list | dict | int):
                # `mask`, not `text`: `repr()` escapes the characters that are not printable.
                shown = sanitizer.json({name: cast("Json", value)}, sanitizer.mask)
                yield from cast("dict[str, Json]", shown).items()
            else:
                yield name, value

    def __pretty__(self, fmt: Callable[[object], object], **options: object) -> Generator[str]:
        """Yield what devtools shows."""
        del fmt, options
        yield repr(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return self._sanitizer().text(f"{type(self).__name__}({shown})", _MAX_REPR_CHARACTERS)

    __str__ = __repr__

    def _sanitizer(self) -> Sanitizer:
        return _NO_SECRETS_KNOWN

    def __copy__(self) -> Self:
        return self._with_slots_copied_to(super().__copy__())

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Self:
        return self._with_slots_copied_to(super().__deepcopy__(memo))

    def _with_slots_copied_to(self, copied: Self) -> Self:
        """Set the slots of `copied` to those of this model (immutable values), and return it."""
        for kind in type(self).__mro__:
            slots: tuple[str, ...] = vars(kind).get("__slots__", ())
            for slot in slots if issubclass(kind, WireModel) else ():
                value: object = getattr(self, slot, None)
                if value is not None:
                    object.__setattr__(copied, slot, value)
        return copied

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WireModel) or type(self) is not type(other):
            return NotImplemented
        return (self.__dict__, self.model_extra) == (other.__dict__, other.model_extra)

    __hash__ = None  # type: ignore[assignment]  # mutable, like pydantic's own models


class ResponseModel(WireModel):
    """A whole response."""

    @property
    def meta(self) -> ResponseMeta:
        """Facts about the call: status, request id, attempts, elapsed seconds, rate limits."""
        meta: ResponseMeta | None = getattr(self, "_meta", None)
        return meta or ResponseMeta()

    def _sanitizer(self) -> Sanitizer:
        return self.meta.sanitizer

    def with_meta(self, meta: ResponseMeta) -> Self:
        """Set `meta`, and return this response."""
        object.__setattr__(self, "_meta", meta)
        return self
