from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import typer

from openai_realtime.cli.option_groups import with_option_groups

Size = Annotated[int, typer.Option("--size")]


@dataclass(kw_only=True)
class Shape:
    size: Size
    colour: str = "red"


@dataclass(kw_only=True)
class RoundShape(Shape):
    radius: Annotated[float | None, typer.Option()] = None


seen: list[object] = []


def draw(name: str, *, shape: RoundShape, quiet: bool = False) -> None:
    """Draw a shape."""
    seen.append((name, shape, quiet))


def test_a_dataclass_stands_for_its_fields() -> None:
    command = with_option_groups(draw)
    signature = inspect.signature(command)
    assert list(signature.parameters) == ["name", "size", "colour", "radius", "quiet"]
    assert signature.parameters["size"].annotation == Size
    assert signature.parameters["size"].default is inspect.Parameter.empty
    assert signature.parameters["colour"].default == "red"
    assert (command.__name__, command.__doc__) == ("draw", "Draw a shape.")


def test_the_command_gets_the_dataclass() -> None:
    seen.clear()
    command = with_option_groups(draw)
    command(name="a", size=1, colour="blue", radius=None, quiet=True)
    assert seen == [("a", RoundShape(size=1, colour="blue"), True)]
