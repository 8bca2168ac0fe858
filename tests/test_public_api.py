"""The public face: its names, its docstrings, its price at import."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import openai_realtime
from openai_realtime import mint, testing

PACKAGE = Path(openai_realtime.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_exports_are_sorted_and_there() -> None:
    for module in (openai_realtime, mint, testing):
        assert module.__all__ == sorted(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert set(dir(module)) >= set(module.__all__)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="'openai_realtime' has no attribute 'Nonsense'"):
        openai_realtime.Nonsense  # type: ignore[attr-defined]  # noqa: B018 - wrong on purpose


def test_every_export_has_a_docstring() -> None:
    for name in openai_realtime.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(openai_realtime, name)), name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_has_a_docstring_and_at_most_400_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a file opens with a docstring"
    assert len(text.splitlines()) <= 400


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


def test_every_wire_model_keeps_what_it_does_not_know() -> None:
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


def test_importing_loads_next_to_nothing() -> None:
    program = (
        "import sys; import openai_realtime; "
        "print([m for m in ('httpx', 'httpcore', 'pydantic', 'anyio', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_version_has_one_place() -> None:
    assert openai_realtime.__version__ == importlib.metadata.version("openai-realtime")


def test_the_floors_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
