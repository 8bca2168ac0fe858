"""A griffe extension: the keys of `Unpack[…]` as parameters, and fields as one list for each class.

mkdocstrings reads the source without running it, and shows `**params: Unpack[SessionCreateParams]` as one
parameter and each field of a class as a heading of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import griffe
from griffe import (
    Attribute,
    Class,
    Docstring,
    DocstringAttribute,
    DocstringParameter,
    DocstringSectionAttributes,
    DocstringSectionParameters,
    Expr,
    ExprSubscript,
    Function,
    Module,
)

_WRAPPERS = {"Annotated", "ClassVar", "Final", "NotRequired", "ReadOnly", "Required"}
_EXCEPTIONS = ("Error", "Exception", "Warning")


class Fields(griffe.Extension):
    """Adds the lists when a package was loaded."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Add them to every function, and then to every class."""
        del kwargs
        objects = list(_objects(pkg))
        for each in objects:
            if isinstance(each, Function):
                _add_parameters(each)
            elif isinstance(each, Attribute):  # an alias of a type, perhaps
                each.value = _plain(each.value)
        listed = [(each, _fields(each)) for each in objects if isinstance(each, Class)]
        for kind, fields in listed:
            if fields:
                items = [
                    DocstringAttribute(
                        field.name,
                        annotation=_plain(field.annotation),
                        value=_default(field),
                        description=_description(field),
                    )
                    for field in fields.values()
                ]
                _sections(kind).append(DocstringSectionAttributes(items))
        for kind, fields in listed:
            for name in fields:
                if name in kind.members:
                    kind.del_member(name)


def _objects(parent: Module | Class) -> Iterator[griffe.Object]:
    for member in list(parent.members.values()):
        if isinstance(member, griffe.Object):
            yield member
            if isinstance(member, Module | Class):
                yield from _objects(member)


def _sections(target: Class | Function) -> list[Any]:
    if target.docstring is None:
        target.docstring = Docstring("", parent=target)
    sections: list[Any] = target.docstring.parsed
    return sections


def _fields(kind: Class) -> dict[str, Attribute]:
    """Return the public fields of a class and, except for exceptions, those of its bases."""
    found: dict[str, Attribute] = {}
    if not kind.name.endswith(_EXCEPTIONS):
        for base in kind.resolved_bases:
            found |= _fields(_target(base))
    for name, attribute in kind.attributes.items():
        if (
            attribute.annotation is not None
            and "property" not in attribute.labels
            and not name.startswith("_")
            and not name.isupper()
        ):
            found[name] = attribute
    return found


def _target(named: Any) -> Any:
    """Return what a name stands for, which another module may have imported."""
    return named.final_target if named.is_alias else named


def _add_parameters(function: Function) -> None:
    """Add the keys of the function's `Unpack[…]` to its docstring, or to its class' for `__init__`."""
    for parameter in function.parameters:
        annotation = parameter.annotation
        if not isinstance(annotation, ExprSubscript) or annotation.canonical_name != "Unpack":
            continue
        assert isinstance(annotation.slice, Expr)
        assert isinstance(function.parent, Module | Class)
        if function.parent.name.endswith(_EXCEPTIONS):
            continue
        keys = _fields(_target(function.modules_collection[annotation.slice.canonical_path]))
        items = [
            DocstringParameter(
                name, annotation=_plain(field.annotation), description=_description(field)
            )
            for name, field in keys.items()
        ]
        target = function.parent if function.name == "__init__" else function
        assert isinstance(target, Class | Function)
        _sections(target).append(DocstringSectionParameters(items))


def _is_required(field: Attribute) -> bool:
    """Tell whether a key of a TypedDict is required."""
    parent = field.parent
    assert isinstance(parent, Class)
    bases = {base.canonical_name for base in parent.bases if isinstance(base, Expr)}
    if "TypedDict" not in bases:
        return False
    wrapper = field.annotation
    name = wrapper.canonical_name if isinstance(wrapper, ExprSubscript) else ""
    is_total = str(parent.keywords.get("total", "True")) == "True"
    return name == "Required" or (is_total and name != "NotRequired")


def _description(field: Attribute) -> str:
    text = field.docstring.value if field.docstring else ""
    return f"*Required.* {text}" if _is_required(field) else text


def _default(field: Attribute) -> str | None:
    return None if field.value is None or "field(" in str(field.value) else str(field.value)


def _plain(part: Any) -> Any:
    """Return an expression with `X` in the place of `Annotated[X, …]`, `Required[X]` and the like."""
    if isinstance(part, ExprSubscript) and part.canonical_name in _WRAPPERS:
        inner = part.slice
        return _plain(inner.elements[0] if isinstance(inner, griffe.ExprTuple) else inner)
    if isinstance(part, ExprSubscript):
        return replace(part, slice=_plain(part.slice))
    if isinstance(part, griffe.ExprBinOp):
        return replace(part, left=_plain(part.left), right=_plain(part.right))
    if isinstance(part, griffe.ExprTuple | griffe.ExprList):
        return replace(part, elements=[_plain(each) for each in part.elements])
    return part
