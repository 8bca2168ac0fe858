from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields
from typing import get_args

import typer
from typer.testing import CliRunner

from openai_realtime.cli.options import given_options, option, option_name, with_options


@dataclass(kw_only=True)
class Shape:
    size: int = option(None, "NUMBER", "How large.", "--large", default=MISSING)
    colour: str = option("Paint", "NAME", "Which colour.", default="red")


@dataclass(kw_only=True)
class RoundShape(Shape):
    radius: float | None = option(None, "NUMBER", "How round.")


seen: list[object] = []


def draw(name: str, *, shape: RoundShape, quiet: bool = False) -> None:
    """Draw a shape."""
    seen.append((name, shape, quiet))


def test_a_dataclass_stands_for_its_fields() -> None:
    command = with_options(draw)
    signature = inspect.signature(command)
    assert list(signature.parameters) == ["name", "size", "colour", "radius", "quiet"]
    size = get_args(signature.parameters["size"].annotation)
    assert size == (int, fields(Shape)[0].metadata["parameter"])
    assert (size[1].metavar, size[1].help) == ("NUMBER", "How large.")
    assert signature.parameters["size"].default is inspect.Parameter.empty
    assert signature.parameters["colour"].default == "red"
    colour = get_args(signature.parameters["colour"].annotation)[1]
    assert colour.rich_help_panel == "Paint"
    assert (command.__name__, command.__doc__) == ("draw", "Draw a shape.")


def test_the_command_gets_the_dataclass() -> None:
    seen.clear()
    command = with_options(draw)
    command(name="a", size=1, colour="blue", radius=None, quiet=True)
    assert seen == [("a", RoundShape(size=1, colour="blue"), True)]


def test_typer_takes_the_options() -> None:
    seen.clear()
    app = typer.Typer()
    app.command()(with_options(draw))
    assert CliRunner().invoke(app, ["a", "--large", "3", "--radius", "0.5"]).exit_code == 0
    assert seen == [("a", RoundShape(size=3, colour="red", radius=0.5), False)]
    assert CliRunner().invoke(app, ["a"]).exit_code == 2


def test_zero_is_a_given_option() -> None:
    assert given_options(RoundShape(size=0, colour="", radius=0.0)) == {
        "size": 0,
        "colour": "",
        "radius": 0.0,
    }
    assert given_options(Shape(size=1, colour="red")) == {"size": 1, "colour": "red"}


def test_an_options_name_has_dashes() -> None:
    assert option_name("max_tokens") == "--max-tokens"
