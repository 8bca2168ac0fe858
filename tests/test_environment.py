"""Every environment variable that the package reads is listed in `environment.py`."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

import openai_realtime
from openai_realtime import providers
from openai_realtime.environment import CLIENT_VARIABLES, ServerVariable

PACKAGE = Path(openai_realtime.__file__).parent
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
READERS = {"environ", "environb", "getenv", "getenvb", "getproxies", "getproxies_environment"}


def readers_in(source: str) -> set[str]:
    """Return the standard library's names in `source` that read the environment."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
    return found & READERS


def test_the_check_finds_every_way_to_read() -> None:
    assert readers_in("import os as o; o.environ['A']") == {"environ"}
    assert readers_in("from os import getenv as g") == {"getenv"}
    assert readers_in("import urllib.request\nurllib.request.getproxies()") == {"getproxies"}


def test_no_other_file_reads_the_environment() -> None:
    found = {path for path, source in SOURCES.items() if readers_in(source)}
    assert found == {"environment.py"}


def test_every_variable_in_the_list_is_read() -> None:
    others = "".join(source for path, source in SOURCES.items() if path != "environment.py")
    for name in (*CLIENT_VARIABLES, *get_args(ServerVariable)):
        assert f'"{name}"' in others, name


def test_the_keys_of_every_provider_are_in_the_list() -> None:
    made = [
        providers.openai(),
        providers.azure("https://x.openai.azure.com"),
        providers.azure("https://x.openai.azure.com", auth="token"),
        providers.azure_preview("https://x.openai.azure.com", "gpt"),
        providers.xai(),
        providers.litellm("https://x.example"),
        providers.compatible("https://x.example"),
    ]
    functions = inspect.getmembers(providers, inspect.isfunction)
    public = {
        name
        for name, function in functions
        if inspect.signature(function).return_annotation == "Provider"
    }
    assert public == {
        "openai",
        "azure",
        "azure_preview",
        "xai",
        "elevenlabs",
        "litellm",
        "compatible",
    }
    assert {provider.key_variable for provider in made} <= set(CLIENT_VARIABLES)
