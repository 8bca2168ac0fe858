"""Public names that are imported when they are first used, and the error for a missing package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping

ROOT = __name__.partition(".")[0]


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


def missing_package(
    error: ModuleNotFoundError, what: str, packages: set[str], install: str
) -> ModuleNotFoundError:
    """Return the error that says what to install for one of `packages`, or else `error` itself."""
    name = (error.name or "").partition(".")[0]
    if name not in packages:
        return error
    return ModuleNotFoundError(f"{what} needs {name}: pip install {install}", name=name)
