"""Public names that are imported when they are first used, and what to install for a missing package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping

ROOT = __name__.partition(".")[0]
_EXTRAS = {
    "cli": "rich typer",
    "mint": "prometheus-client redis starlette uvicorn",
    "otel": "opentelemetry-api",
    "sideband": "websockets",
}
"""The extras without which something raises an error, and their packages, as in `pyproject.toml`."""


def lazy_names(
    package: str,
    modules: Mapping[str, Iterable[str]],
    hint_of: Callable[[str], str] = lambda _name: "",
) -> Callable[[str], object]:
    """Return the `__getattr__` of a package (PEP 562).

    `modules` maps each module, relative to `openai_realtime`, to the names that it defines. Type
    hints with such a name (`resources.Sessions`) can be evaluated at run time, which imports it.
    `hint_of` returns the end of the error's message for an unknown name.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> object:
        if name not in module_of:
            message = f"module {package!r} has no attribute {name!r}{hint_of(name)}"
            raise AttributeError(message)
        value: object = getattr(importlib.import_module(f"{ROOT}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load


def install_command(extra: str) -> str:
    """Return the command that installs an extra's packages.

    It names the packages and not this one, so that it works in a clone as well as for a release.
    """
    return f"pip install {_EXTRAS[extra]} (the extra {extra})"


def missing_package(
    error: ModuleNotFoundError, what: str, packages: set[str], *, extra: str | None = None
) -> ModuleNotFoundError:
    """Return the error that says what to install for one of `packages`, or else `error` itself.

    `extra` is the extra that has them; None: the package that is missing is enough.
    """
    name = (error.name or "").partition(".")[0]
    if name not in packages:
        return error
    command = install_command(extra) if extra else f"pip install {name}"
    return ModuleNotFoundError(f"{what} needs {name}: {command}", name=name)
