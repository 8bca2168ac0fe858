"""Finds the private names of other packages that a package uses: `private_names.py PACKAGE`.

A name is private that begins with an underscore, unless Python or pydantic documents it. It may be
used where the package defines it, on `self` and on what has an annotation with a class of the
package; on what has none it is reported. Loggers of other packages count as private, and so do
changes of their modules and classes.
"""

import ast
import builtins
import importlib
import inspect
import re
import sys
import types
from collections import ChainMap
from contextlib import suppress
from pathlib import Path

DOCUMENTED = {
    *("__aenter__", "__aexit__", "__all__", "__copy__", "__deepcopy__", "__file__", "__future__"),
    *(
        "__getattr__",
        "__main__",
        "__path__",
        "__post_init__",
        "__required_keys__",
        "__signature__",
        "__slots__",
    ),
    *("__get_pydantic_core_schema__", "__get_pydantic_json_schema__"),
    *("__pretty__", "__rich_repr__", "__version__"),  # devtools' and rich's
    *("_asdict", "_field_defaults", "_fields", "_make", "_replace"),  # of named tuples
}
DATA_MODEL = {
    name for kind in (*vars(builtins).values(), *vars(types).values()) for name in dir(kind)
}
TAKES_A_NAME = re.compile(r"(get|set|has|del)attr(?:_static|(?:ibute)?__)?$")
AFFIXES = {"startswith", "endswith", "removeprefix", "removesuffix"}

# What an expression may be: the dotted path of a module, function or class; an object of a class
# (its path and "()"); a text ("'" and the text); or "?", not known.
Kinds = frozenset[str]
UNKNOWN: Kinds = frozenset("?")


def is_private(name: str) -> bool:
    """Return whether a name is private to what defines it."""
    is_public = name in DOCUMENTED or (name.endswith("__") and name in DATA_MODEL)
    return name.startswith("_") and name.strip("_") != "" and not is_public


def names_of(path: str) -> set[str]:
    """Return what a class of another package defines, the attributes of its objects included."""
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    names = set(dir(kind))
    for base in inspect.getmro(kind) if inspect.isclass(kind) else ():
        with suppress(OSError, TypeError):  # it is not written in Python
            names.update(re.findall(r"\bself\.(\w+)", inspect.getsource(base)))
    return names


class Package:
    """What a package defines, and what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.defined: set[str] = set()
        self.modules: dict[str, ChainMap[str, Kinds]] = {}
        self.problems: set[tuple[Path, int, str]] = set()

    def owns(self, kind: str) -> bool:
        """Return whether something is the package's own."""
        return re.split(r"[.(]", kind, maxsplit=1)[0] == self.name


class Reader(ast.NodeVisitor):
    """Reads a file. The second time it knows what all files define."""

    def __init__(self, package: Package, module: str, path: Path) -> None:
        self.package, self.module, self.path = package, module, path
        self.names = package.modules.setdefault(module, ChainMap())
        self.names["__name__"] = frozenset({f"'{module}"})
        self.is_in_class = False
        self.own_object: Kinds = frozenset({f"{package.name}()"})

    def report(self, node: ast.expr | ast.stmt, problem: str) -> None:
        """Note a problem."""
        self.package.problems.add((self.path, node.lineno, problem))

    def judge(self, node: ast.expr, holder: ast.expr, name: str) -> None:
        """Report a private name, unless it and its holder are known to be the package's own."""
        for kind in self.kinds(holder) if is_private(name) else ():
            if not (self.package.owns(kind) and name in self.package.defined):
                whose = "an unknown class: annotate it" if kind == "?" else kind
                self.report(node, f"{name} of {ast.unparse(holder)} is private to {whose}")

    def judge_change(self, node: ast.expr, holder: ast.expr) -> None:
        """Report a change of another package's module or class."""
        for kind in self.kinds(holder) - {"os.environ"}:
            if kind[0] not in "?'" and "()" not in kind and not self.package.owns(kind):
                self.report(node, f"{kind} is changed, which is another package's")

    def kinds(self, node: ast.expr | None) -> Kinds:
        """Return what an expression may be."""
        match node:
            case ast.Name(id=name):
                known = f"builtins.{name}" if hasattr(builtins, name) else "?"
                kinds = self.names.get(name, frozenset({known}))
            case ast.Constant(value=str() as text):
                kinds = frozenset({f"'{text}"})
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                kinds = frozenset(kind for part in parts for kind in self.kinds(part))
            case ast.Call(func=ast.Name(id="super")):
                kinds = self.own_object
            case (
                ast.Call(func=ast.Name(id="type" | "vars"), args=[of])
                | ast.Attribute(value=of, attr="__class__" | "__dict__")
            ):
                kinds = frozenset(kind.removesuffix("()") for kind in self.kinds(of))
            case ast.Attribute(value=of, attr=name):
                kinds = frozenset(
                    "?" if "()" in kind else f"{kind}.{name}" for kind in self.kinds(of)
                )
            case _:
                kinds = UNKNOWN
        return kinds

    def annotated(self, node: ast.expr | None) -> Kinds:
        """Return what an object with an annotation may be."""
        match node:
            case ast.Constant(value=str() as text):
                return self.annotated(ast.parse(text, mode="eval").body)
            case ast.BinOp(left=of, right=ast.Constant(value=None)) | ast.Subscript(value=of):
                return self.annotated(of)
            case ast.BinOp(left=one, right=other):
                return self.annotated(one) | self.annotated(other)
            case ast.Name(id="Self"):
                return self.own_object
            case _:
                return frozenset(f"{kind}()" for kind in self.kinds(node))

    def bind(self, target: ast.expr | str | None, kinds: Kinds) -> None:
        """Note what a name may be, besides what it was before."""
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.bind(part, UNKNOWN)
        name = target.id if isinstance(target, ast.Name) else target
        if isinstance(name, str):
            self.names.maps[0][name] = self.names.maps[0].get(name, frozenset()) | kinds

    def visit(self, node: ast.AST) -> None:
        """Read a node and what is below it."""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.bind(target, self.kinds(value))
            case ast.AnnAssign(target=target, annotation=annotation):
                self.bind(target, self.annotated(annotation))
            case ast.arg(arg=name, annotation=annotation) if name not in self.names.maps[0]:
                self.bind(name, self.annotated(annotation))
            case (
                ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.withitem(optional_vars=target, context_expr=value)
            ):
                self.bind(target, self.kinds(value))
            case ast.Subscript(value=holder, ctx=ast.Store() | ast.Del()):
                self.judge_change(node, holder)
            case _:
                for generator in getattr(node, "generators", ()):
                    self.visit(generator)
        super().visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Read `import path`."""
        for each in node.names:
            self.read_import(node, each.name)
            top = each.name.partition(".")[0]
            self.bind(each.asname or top, frozenset({each.name if each.asname else top}))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Read `from path import name`."""
        for each in node.names:
            path = f"{self.package.name if node.level else node.module}.{each.name}"
            self.read_import(node, path)
            self.bind(each.asname or each.name, frozenset({path}))

    def read_import(self, node: ast.stmt, path: str) -> None:
        """Report a private module, or a private member of one."""
        if any(map(is_private, path.split("."))) and not self.package.owns(path):
            self.report(node, f"{path} is private")

    def visit_Constant(self, node: ast.Constant) -> None:
        """Report a text that is a private name, or the path of one."""
        parts = node.value.split(".") if isinstance(node.value, str) else []
        is_own = self.package.owns(parts[0] if parts else "") or node.value in self.package.defined
        if all(map(str.isidentifier, parts)) and any(map(is_private, parts)) and not is_own:
            self.report(node, f"{node.value!r} is a private name")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Skip the texts in an f-string: they are parts of something."""
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Read `holder.name`."""
        self.judge(node, node.value, node.attr)
        if not isinstance(node.ctx, ast.Load):
            self.judge_change(node, node.value)
            if self.own_object <= self.kinds(node.value):
                self.package.defined.add(node.attr)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Read a class, whose private names must not be those of another package's base."""
        self.bind(node.name, frozenset({f"{self.module}.{node.name}"}))
        before = self.names, self.is_in_class
        self.names, self.is_in_class = self.names.new_child(), True
        self.generic_visit(node)
        bound = self.names.maps[0]
        defined = {*bound, *(kind[1:] for kind in bound.get("__slots__", ()))}
        self.package.defined |= defined
        self.names, self.is_in_class = before
        used = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
        private = set(filter(is_private, used | defined))
        for base in node.bases:
            of = base.value if isinstance(base, ast.Subscript) else base
            for kind in self.kinds(of) if private else ():
                if kind[0] != "?" and not self.package.owns(kind):
                    for name in private & names_of(kind):
                        self.report(node, f"{name} is private to {kind}, a base of {node.name}")

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Read a function; the first parameter of a method is an object of the class."""
        self.bind(node.name, frozenset({f"{self.module}.{node.name}"}))
        before = self.names, self.is_in_class
        if self.is_in_class:
            self.names = self.names.parents  # a method does not see what its class binds
        self.names = self.names.new_child()
        decorators = {getattr(each, "id", "") for each in node.decorator_list}
        if self.is_in_class and "staticmethod" not in decorators:
            for first in [*node.args.posonlyargs, *node.args.args][:1]:
                self.bind(first.arg, self.own_object)
        self.is_in_class = False
        self.generic_visit(node)
        self.names, self.is_in_class = before

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Read an async function."""
        self.visit_FunctionDef(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Read a call, which may take a name as a text."""
        given = [*node.args, *(each.value for each in node.keywords)]
        before_dot = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = self.kinds(node.func)
        takes = {found[1] for found in map(TAKES_A_NAME.search, (*called, method)) if found}
        # `getattr(holder, "name")` and, of a bound method, `holder.__getattribute__("name")`.
        for holder, text in zip([before_dot, *given], given[:2] if takes else (), strict=False):
            for kind in self.kinds(text):
                if kind[0] == "'":
                    self.judge(node, holder, kind[1:])
        if given and takes & {"set", "del"}:
            self.judge_change(node, given[0])
        for name in given if "logging.getLogger" in called else ():
            if not all(map(self.package.owns, (kind[1:] for kind in self.kinds(name)))):
                self.report(node, f"{ast.unparse(name)} is a logger of another package")
        for keyword in node.keywords:
            if is_private(keyword.arg or "") and not all(map(self.package.owns, called)):
                self.report(node, f"{keyword.arg} is a private parameter of another package")
        for each in (node.func,) if method in AFFIXES else (node.func, *given):
            self.visit(each)


def problems_of(folder: Path) -> list[str]:
    """Return what is wrong with the package in a folder, a line each."""
    package = Package(folder.name)
    for _ in range(2):
        package.problems.clear()
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            module = ".".join(parts).removesuffix(".__init__")
            Reader(package, module, path).visit(ast.parse(path.read_text(encoding="utf-8")))
        package.defined.update(*package.modules.values())
    return [f"{path}:{line}: {problem}" for path, line, problem in sorted(package.problems)]


if __name__ == "__main__":
    sys.exit("\n".join(problems_of(Path(sys.argv[1]))) or 0)
