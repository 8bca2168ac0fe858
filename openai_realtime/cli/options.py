"""How commands declare their options, and the options that several commands share.

An option is a field of a dataclass. Ranges are not checked here, because the client checks them,
with better errors than typer's.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SESSION = "Session"
OUTPUT = "Output"
LogFormat = Literal["text", "json"]


def option(
    panel: str | None,
    metavar: str | None,
    description: str,
    *names: str,
    default: Any = None,
    **settings: Any,
) -> Any:
    """Return a dataclass field that is an option.

    `panel` is the box of the help page that shows it; `metavar` is the word for its value there;
    `names` replace the field's name. With `default=MISSING` it is required.
    """
    parameter = typer.Option(
        *names,
        metavar=metavar,
        help=description,
        rich_help_panel=panel,
        # Every option of `serve` has a variable: its help page explains that once.
        show_envvar=False,
        **settings,
    )
    return field(default=default, metadata={"parameter": parameter})


def flag(panel: str | None, names: str, description: str, **settings: Any) -> Any:
    """Return a dataclass field that is an option without a value: True when it is given."""
    return option(panel, None, description, *names.split(), default=False, **settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of every session; None is the server's default."""

    model: str | None = option(SESSION, "MODEL", "The realtime model, such as gpt-realtime.")
    voice: str | None = option(SESSION, "VOICE", "The voice, such as verse.")
    instructions: str | None = option(SESSION, "TEXT", "The system instructions.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSessionOptions(SessionOptions):
    """The options of every session for which a secret is minted."""

    speed: float | None = option(SESSION, "NUMBER", "The speed of the speech, 0.25 to 1.5.")
    turn_detection: Literal["server_vad", "semantic_vad", "none"] | None = option(
        SESSION,
        "TYPE",
        "How the server detects the end of a turn: server_vad, semantic_vad, or none: then your "
        "client ends each turn.",
    )
    transcription_model: str | None = option(
        SESSION,
        "MODEL",
        "Transcribe the person's speech with this model, such as gpt-4o-transcribe.",
    )
    param: list[str] | None = option(
        SESSION,
        "NAME=VALUE",
        "Any parameter by its name; the value is JSON, or else text. Dots nest: "
        "turn_detection.threshold=0.4. Repeatable; overrides the options and --config.",
    )


def given_options(options: Any) -> dict[str, Any]:
    """Return the given options of a dataclass by field name, in the order of the fields."""
    values = {each.name: getattr(options, each.name) for each in fields(options)}
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value != []
    }


def option_name(name: str) -> str:
    """Return the option of a field: `--max-tokens` of `max_tokens`."""
    return f"--{name.replace('_', '-')}"


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` for typer, with the fields of its dataclasses as parameters."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def run(**values: object) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    parameters = list(_flattened(inspect.signature(command), hints))
    attributes: dict[str, object] = {
        "__name__": command.__name__,
        "__doc__": command.__doc__,
        "__annotations__": {parameter.name: parameter.annotation for parameter in parameters},
        "__signature__": inspect.Signature(parameters),
    }
    for name, attribute in attributes.items():
        setattr(run, name, attribute)
    return run


def _flattened(signature: inspect.Signature, hints: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield a command's parameters, each dataclass replaced by its fields."""
    annotated: Any = Annotated
    for name, parameter in signature.parameters.items():
        hint = hints[name]
        if not is_dataclass(hint):
            yield parameter.replace(annotation=hint)
            continue
        types = get_type_hints(hint)
        for each in fields(hint):
            yield inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if each.default is MISSING else each.default,
                annotation=annotated[types[each.name], each.metadata["parameter"]],
            )
