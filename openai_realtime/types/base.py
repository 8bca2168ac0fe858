"""The base of all responses: it keeps unknown fields, masks secrets, and carries `meta`."""

from collections.abc import Callable, Generator, Iterator
from typing import ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict

from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.strict_json import Json
from openai_realtime.secrets import RedactedStr

_MAX_REPR_CHARACTERS = 16 * 1024
_NO_SECRETS_KNOWN = Sanitizer()


class WireModel(BaseModel):
    """A part of a response. Fields this version does not know are kept, and dumped again.

    Equality compares what the server said, not when or how it arrived.
    """

    # What is known beside the JSON: slots of ours, set by `object.__setattr__`, as Python documents it
    # for a class with a `__setattr__` of its own. Pydantic's takes 3 µs more a value, and its private
    # attributes 20 µs. They stand here because a class can inherit slots from one base alone.
    __slots__ = ("_arrival", "_meta")

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow",
        # Building a validator takes milliseconds: left to the first response that needs it.
        defer_build=True,
        allow_inf_nan=False,
        # A validation error may travel to a log: it must not carry the secret it was given.
        hide_input_in_errors=True,
        # "model" is a field's name on the wire, not pydantic's.
        protected_namespaces=(),
    )
    """pydantic's settings, the same for every part of every response."""

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Yield what is shown; texts that look like secrets, or stand where one would, are masked.

        By rich's name for it: rich shows the same.
        """
        sanitizer = self._sanitizer()
        # One that is still being made has no extra fields yet: a debugger may show it.
        extra: dict[str, object] | None = getattr(self, "model_extra", None)
        for name, value in {**self.__dict__, **(extra or {})}.items():
            if not isinstance(value, RedactedStr) and isinstance(value, str | list | dict | int):
                # Not made visible: repr makes escapes of what is not printable by itself.
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
        return self._noted_on(super().__copy__())

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Self:
        return self._noted_on(super().__deepcopy__(memo))

    def _noted_on(self, copied: Self) -> Self:
        """Return a copy that knows what this one does; neither note ever changes."""
        for slot in WireModel.__slots__:
            note: object = getattr(self, slot, None)
            if note is not None:
                object.__setattr__(copied, slot, note)
        return copied

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WireModel) or type(self) is not type(other):
            return NotImplemented
        return (self.__dict__, self.model_extra) == (other.__dict__, other.model_extra)

    __hash__ = None  # type: ignore[assignment]  # a mutable model, as pydantic's own are


class ResponseModel(WireModel):
    """A whole response."""

    @property
    def meta(self) -> ResponseMeta:
        """How the call went: status, request id, attempts, elapsed seconds, rate limits."""
        meta: ResponseMeta | None = getattr(self, "_meta", None)
        return meta or ResponseMeta()

    def _sanitizer(self) -> Sanitizer:
        return self.meta.sanitizer

    def with_meta(self, meta: ResponseMeta) -> Self:
        """Attach how the call went; returns the response itself."""
        object.__setattr__(self, "_meta", meta)
        return self
