"""Lets commands share options: a parameter that is a dataclass stands for an option a field.

Owns: how a command's signature is opened up for typer, and closed again when it is run. Must not
know: any option.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` as typer is to see it: the fields of its dataclasses as its own options."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def run(**given: object) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    parameters = list(_opened(inspect.signature(command), hints))
    told: dict[str, object] = {
        "__name__": command.__name__,
        "__doc__": command.__doc__,
        "__annotations__": {parameter.name: parameter.annotation for parameter in parameters},
        "__signature__": inspect.Signature(parameters),
    }
    for attribute, value in told.items():
        setattr(run, attribute, value)
    return run


def _opened(signature: inspect.Signature, hints: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield a command's parameters, each dataclass replaced by its fields."""
    for name, parameter in signature.parameters.items():
        hint = hints[name]
        if not is_dataclass(hint):
            yield parameter.replace(annotation=hint)
            continue
        inner = get_type_hints(hint, include_extras=True)
        for field in fields(hint):
            yield inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=inner[field.name],
            )
