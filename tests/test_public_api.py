"""The public names, their docstrings and type hints, and what importing the package loads."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

import openai_realtime
from openai_realtime import (
    configuration,
    errors,
    lazy_imports,
    mint,
    observe,
    otel,
    providers,
    resources,
    secret_pool,
    testing,
    types,
    webhooks,
)

PACKAGE = Path(openai_realtime.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_exports_are_sorted_and_exist() -> None:
    for module in (openai_realtime, mint, testing, types):
        assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name))
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert set(dir(module)) >= set(module.__all__)


@pytest.mark.parametrize("module", [openai_realtime, types])
def test_an_unknown_name_is_an_attribute_error(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute 'Nonsense'"):
        module.Nonsense  # noqa: B018 - wrong on purpose


def annotations_in(path: Path) -> Iterator[ast.expr]:
    """Yield the annotations of public fields and of public functions' parameters and results."""
    nodes: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            nodes += node.body
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            not node.name.startswith("_") or node.name == "__init__"
        ):
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                if argument.annotation is not None:
                    yield argument.annotation
            if arguments.kwarg is not None and arguments.kwarg.annotation is not None:
                yield arguments.kwarg.annotation
            if node.returns is not None:
                yield node.returns


def names_defined_by(node: ast.AST) -> list[str]:
    """Return the class or the aliases that a statement defines."""
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_every_type_of_a_parameter_or_response_can_be_imported() -> None:
    """Each that a client's or a resource's signature names, and each that one of these holds."""
    defined = {
        name
        for path in (PACKAGE / "types").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names_defined_by(node)
    } | {"ClientOptions", "AsyncClientOptions", "SyncClientOptions"}
    named = {
        name.id
        for path in (
            PACKAGE / "client.py",
            *(PACKAGE / "types").glob("*.py"),
            *(PACKAGE / "resources").glob("*.py"),
        )
        for annotation in annotations_in(path)
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name) and name.id in defined
    }
    assert {"CallAcceptParams", "McpToolFilterParam", "SyncClientOptions", "VoiceName"} <= named
    # These check a value, or are what a `FunctionTool` is sent as: no caller writes them.
    internal = {"AS_LIST", "Between", "DefaultWhenWrong", "Expect", "FloatWhenNull"}
    internal |= {"OmitWhenWrong", "SecretResponse", "SentFunctionTool", "_Expiry"}
    internal |= {"LiveEventType", "LiveServerEvent", "SipStatus", "_Milliseconds"}
    public = {*openai_realtime.__all__, *types.__all__}
    assert named - internal - public == set()


def test_every_export_has_a_docstring() -> None:
    for name in openai_realtime.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(openai_realtime, name)), name


def public_callables() -> dict[str, object]:
    """Return every public function and class, and the methods of the classes, by their paths."""
    modules = [openai_realtime, configuration, errors, mint, observe, otel, providers]
    found: dict[str, object] = {}
    for module in [*modules, resources, secret_pool, testing, webhooks]:
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            is_own = str(getattr(value, "__module__", "")).startswith("openai_realtime")
            if is_own and not name.startswith("_") and inspect.isroutine(value):
                found[f"{module.__name__}.{name}"] = value
            elif is_own and not name.startswith("_") and inspect.isclass(value):
                found |= methods_of(f"{module.__name__}.{name}", value)
    return found


def methods_of(path: str, kind: type) -> dict[str, object]:
    """Return a class and its public methods, special methods and getters, the inherited ones too."""
    found: dict[str, object] = {path: kind}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        for attribute in ("fget", "func", "__func__"):  # of properties, cached ones, class methods
            member = getattr(member, attribute, member)
        is_public = not name.startswith("_") or (name.endswith("__") and "pydantic" not in name)
        is_own = str(getattr(member, "__module__", "")).startswith("openai_realtime")
        if is_public and is_own and inspect.isfunction(member):
            found[f"{path}.{name}"] = member
    return found


# Their annotations name classes of a package that may be missing.
OF_OPTIONAL_PACKAGES = {
    "openai_realtime.testing.RealtimeRoutes",
    "openai_realtime.testing.mock_realtime",
    "openai_realtime.webhooks.on_call_incoming",
}
CALLABLES = {
    path: it for path, it in public_callables().items() if path not in OF_OPTIONAL_PACKAGES
}


def test_type_hints_of_every_public_callable_can_be_evaluated() -> None:
    failed: dict[str, Exception] = {}
    for path, public in CALLABLES.items():
        try:
            typing.get_type_hints(public, include_extras=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, its path is shown
            failed[path] = error
    assert failed == {}


def test_type_hints_are_evaluated_in_a_process_that_has_imported_nothing_else() -> None:
    program = """
import typing
from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient
for client in (RealtimeSessionsClient, SyncRealtimeSessionsClient):
    typing.get_type_hints(client)
    typing.get_type_hints(client.__init__)
    print(typing.get_type_hints(client.sessions.func)["return"].__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["AsyncSessions", "Sessions"]


def test_every_file_has_a_docstring_and_stays_short() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path} opens with a docstring"
        assert len(text.splitlines()) <= 400, path


def public_fields() -> list[tuple[str, str, bool]]:
    """Return class, field and whether a docstring follows, for every wire type."""
    found: list[tuple[str, str, bool]] = []
    for path in sorted((PACKAGE / "types").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
                    if isinstance(statement, ast.AnnAssign) and isinstance(
                        statement.target, ast.Name
                    ):
                        documented = isinstance(following, ast.Expr) and isinstance(
                            following.value, ast.Constant
                        )
                        found.append((node.name, statement.target.id, documented))
    return found


def test_every_field_of_every_wire_type_has_a_docstring() -> None:
    fields = [
        (kind, field, documented)
        for kind, field, documented in public_fields()
        if not field.startswith("_") and not field.isupper() and kind not in {"Expect", "Between"}
    ]
    assert len(fields) > 100
    assert [f"{kind}.{field}" for kind, field, documented in fields if not documented] == []


def test_every_wire_model_keeps_unknown_fields() -> None:
    modules = [
        importlib.import_module(f"openai_realtime.types.{module.name}")
        for module in pkgutil.iter_modules([str(PACKAGE / "types")])
    ]
    models = {
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind is not BaseModel
    }
    assert len(models) > 10
    for model in models:
        assert model.model_config["extra"] == "allow", model
        assert model.model_config["hide_input_in_errors"], model


def test_importing_the_package_loads_no_other_package() -> None:
    program = (
        "import sys; import openai_realtime; "
        "print([m for m in ('httpx', 'httpcore', 'pydantic', 'anyio', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_distribution() -> None:
    assert openai_realtime.__version__ == importlib.metadata.version("openai-realtime")


def test_the_import_rules_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_an_error_says_to_install_is_what_an_extra_has() -> None:
    """It names no release of this package, which a clone does not need."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for extra in extras.keys() - {"fast"}:  # nothing needs it
        names = [re.split(r"[<>=]", requirement)[0] for requirement in extras[extra]]
        expected = f"pip install {' '.join(names)} (the extra {extra})"
        assert lazy_imports.install_command(extra) == expected
    for path in MODULES:
        assert "pip install 'openai-realtime" not in path.read_text("utf-8"), path
