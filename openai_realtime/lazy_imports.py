"""Public names that are imported when they are first used, and the error for a missing package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

NO_HINTS: Mapping[str, str] = MappingProxyType({})
ROOT = __name__.partition(".")[0]


def lazy_names(
    package: str, modules: Mapping[str, Iterable[str]], hints: Mapping[str, str] = NO_HINTS
) -> Callable[[str], object]:
    """Return the `__getattr__` of a package (PEP 562).

    `modules` maps each module, relative to `openai_realtime`, to the names that it defines. Type
    hints with such a name (`resources.Sessions`) can be evaluated at run time, which imports it.
    `hints` says what unknown names are called here.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> object:
        if name not in module_of:
            hint = f": {hints[name]}" if name in hints else ""
            message = f"module {package!r} has no attribute {name!r}{hint}"
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
