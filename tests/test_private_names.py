"""The linters' check for private names of other packages: what it reports, and what it accepts."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "private_names.py"

# What every snippet is behind: a class of the package, and packages of others under several names.
BEFORE = """
import asyncio
import asyncio as aio
import httpx
import logging
import operator
import socketserver
import sys
from copy import copy
from importlib import import_module
from logging import getLogger as logger_of
from typing import Self
from unittest import mock
import own
from own import inner
from own.inner import Inner, _shared

class Thing:
    __slots__ = ("_slot",)
    _declared: int

    def __init__(self) -> None:
        self._set = 1

    def _method(self) -> int:
        return self._set
"""

REPORTED = {
    # Attributes.
    "of a module": "asyncio._get_running_loop()",
    "of a module's module": "asyncio.events._running_loop",
    "of a module by another name": "aio._get_running_loop()",
    "of an imported class": "httpx.Client._init_transport",
    "of a parameter": "def f(client: httpx.Client) -> None:\n    client._transport",
    "of a parameter without an annotation": "def f(client):\n    client._set",
    "of what two annotations allow": "def f(it: Thing | httpx.Client) -> None:\n    it._set",
    "of an annotation in quotes": "def f(it: 'httpx.Client | None') -> None:\n    it._set",
    "of what a call returns": "httpx.Client()._transport",
    "of a variable": "client = httpx.Client()\nclient._set",
    "of an alias": "other = httpx\nother._client",
    "of an alias in a function": "def f() -> None:\n    other = httpx\n    other._client",
    "of one of two": "it: Thing = Thing()\nit = httpx\nit._set",
    "of the other of two": "it = httpx\nit: Thing = Thing()\nit._set",
    "of an unpacked variable": "it: Thing = Thing()\n"
    "def f() -> None:\n    it, other = clients\n    it._set",
    "of a name that a class has too": "it = httpx\nclass A(Thing):\n    it: Thing\n"
    "    def f(self) -> None:\n        it._set",
    "of a with statement": "with httpx.Client() as client:\n    client._set",
    "of a loop": "for each in clients:\n    each._set",
    "of a comprehension": "[each._set for each in clients]",
    "of a walrus": "if (found := clients.pop()):\n    found._set",
    "of an attribute of our own": "class A(Thing):\n    def f(self) -> None:\n        self.client._set",
    "that our own class lacks": "class A(Thing):\n    def f(self) -> None:\n        self._absent",
    "of a class's attribute": "httpx.Client.__dict__['_transport']",
    "by vars": "vars(client)['_transport']",
    "by get": "client.__dict__.get('_transport')",
    "deleted": "del client._set",
    "a dunder that is not Python's": "client.__wrapped_by_them__",
    "mangled": "client._Client__state",
    # Names as texts.
    "getattr": "getattr(client, '_transport', None)",
    "getattr with a name of ours": "getattr(client, '_set', None)",
    "getattr by another name": "get = getattr\nget(httpx, '_set')",
    "getattr with a constant": "NAME = '_set'\ngetattr(client, NAME)",
    "getattr in a loop": "for name in ('_set', '_slot'):\n    getattr(client, name)",
    "hasattr": "hasattr(httpx.Client, '_set')",
    "setattr": "setattr(client, '_set', 1)",
    "delattr": "delattr(client, '_set')",
    "object.__setattr__": "object.__setattr__(client, '_set', 1)",
    "a bound __getattribute__": "client.__getattribute__('_set')",
    "getattr_static": "import inspect\ninspect.getattr_static(client, '_set')",
    "attrgetter": "operator.attrgetter('_transport')",
    "a private module in sys.modules": "sys.modules['httpx._client']",
    "a private module by import_module": "import_module('httpx._client')",
    "a private class by its path": "mock_of('asyncio.sslproto._SSLProtocolTransport')",
    # Imports.
    "import of a module": "import httpx._client",
    "import of a module under another name": "import httpx._client as client",
    "import from a module": "from httpx._client import Client",
    "import of a name": "from asyncio import _get_running_loop",
    "import of a name under another name": "from asyncio import _get_running_loop as running",
    "import of a private package": "import _socket",
    "import for the type checker": "if True:\n    from httpx._types import AuthTypes",
    "import in a function": "def f() -> None:\n    import httpx._client",
    # Loggers.
    "a logger": "logging.getLogger('httpx')",
    "a logger by another name": "logger_of('httpcore.connection')",
    "a logger with a keyword": "logging.getLogger(name='httpx')",
    "a logger that is ours in name alone": "logging.getLogger('owner')",
    "loggers in a loop": "for name in ('own', 'httpx'):\n    logging.getLogger(name)",
    "a logger of unknown name": "logging.getLogger(clients[0])",
    # Changes.
    "a module's function": "asyncio.sleep = None",
    "a class's method": "httpx.Client.send = None",
    "a class's method by an alias": "Client = httpx.Client\nClient.send = None",
    "of an object's class": "def f(client: httpx.Client) -> None:\n    type(client).send = None",
    "of an object's __class__": "def f(it: httpx.Client) -> None:\n    it.__class__.send = None",
    "by setattr": "setattr(httpx.Client, 'send', None)",
    "by setattr with any name": "setattr(httpx, clients[0], None)",
    "by delattr": "delattr(httpx.Client, 'send')",
    "a deletion": "del httpx.Client.send",
    "in a tuple": "asyncio.sleep, other = None, None",
    "by an augmented assignment": "socketserver.TCPServer.request_queue_size += 1",
    "of a dictionary": "vars(httpx.Client)['send'] = None",
    "of the loaded modules": "sys.modules['httpx'] = None",
    # What a class inherits.
    "a base's method": "class A(asyncio.SelectorEventLoop):\n    def _run_once(self) -> None: ...",
    "a base's method, async": "class A(asyncio.Server):\n    async def _wakeup(self) -> None: ...",
    "a base's name, as a class attribute": "class A(asyncio.Server):\n    _start_serving = None",
    "a base's attribute": "import threading\nclass A(threading.Thread):\n"
    "    def __init__(self) -> None:\n        self._target = None",
    "a base's attribute, read": "import threading\nclass A(threading.Thread):\n"
    "    def f(self) -> object:\n        return self._target",
    "by super": "import threading\nclass A(threading.Thread):\n"
    "    def f(self) -> object:\n        return super()._bootstrap()",
    # Parameters.
    "a private parameter": "httpx.Client(_transport=None)",
}

PASSES = {
    "of self": "class A(Thing):\n    def f(self) -> int:\n        return self._set",
    "a slot of ours": "class A(Thing):\n    def f(self) -> None:\n"
    "        object.__setattr__(self, '_slot', 1)",
    "a slot of ours in a loop": "class A(Thing):\n    def f(self) -> None:\n"
    "        for name in Thing.__slots__:\n            getattr(self, name)",
    "of cls": "class A(Thing):\n    @classmethod\n    def f(cls) -> object:\n        return cls._method",
    "of self in a nested function": "class A(Thing):\n    def f(self) -> object:\n"
    "        return lambda: self._set",
    "by super": "class A(Thing):\n    def f(self) -> int:\n        return super()._method()",
    "of an annotated parameter": "def f(thing: Thing | None) -> int:\n    return thing._set",
    "of a class of another module": "def f(it: inner.Inner, *, two: 'Inner') -> None:\n"
    "    it._own\n    two._own",
    "of an annotated variable": "class A(Thing):\n    def f(self) -> Self:\n"
    "        copied: Self = copy(self)\n        copied._set = 2\n        return copied",
    "of a class": "Thing._method",
    "of a module": "inner._shared()",
    "imports of ours": "from own.inner import _shared\nimport own.inner as inside\ninside._shared",
    "a relative import": "from .inner import _shared",
    "getattr with a name of ours": "def f(it: Thing) -> object:\n    return getattr(it, '_set', None)",
    "a public attribute by getattr": "getattr(httpx, 'Client')",
    "Python's own dunders": "httpx.__name__, httpx.Client.__mro__, httpx.Client.send.__globals__",
    "pydantic's hooks": "class A(Thing):\n    def __get_pydantic_core_schema__(self) -> None: ...",
    "a named tuple": "it._replace(a=1)._asdict()",
    "a throwaway name": "for _ in clients:\n    for __ in _:\n        pass",
    "an ending": "if str(it).endswith('_format'):\n    str(it).removeprefix('_a')",
    "part of an f-string": "f'{it}_format'",
    "a sentence": "print('The name _x is private. See httpx._client.')",
    "our loggers": "logging.getLogger('own'), logger_of('own.inner'), logger_of(__name__)",
    "the root logger": "logging.getLogger().addHandler(None)",
    "an object's attribute": "def f(client: httpx.Client) -> None:\n    client.timeout = 3",
    "our own function's attribute": "def f() -> None: ...\nsetattr(f, '__name__', 'g')\nf.x = 1",
    "our own class's attribute": "Thing.limit = 3\nown.limit = 3",
    "the environment": "import os\nos.environ['A'] = 'b'\ndel os.environ['A']",
    "a base of others": "class A(asyncio.Protocol):\n    def _mine(self) -> None:\n"
    "        self._mine()",
    "a generic base": "class A(list[int]):\n    def _mine(self) -> None: ...",
}


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("private_names", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def problems_of(check: ModuleType, folder: Path, snippet: str) -> list[str]:
    package = folder / "own"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(
        "def _shared() -> None: ...\nclass Inner:\n    def __init__(self) -> None:\n        self._own = 1\n"
    )
    (package / "snippet.py").write_text(f"{BEFORE}\n{dedent(snippet)}\n")
    problems: list[str] = check.problems_of(package)
    return problems


@pytest.mark.parametrize("snippet", REPORTED.values(), ids=REPORTED)
def test_what_is_reported(check: ModuleType, tmp_path: Path, snippet: str) -> None:
    last = len(f"{BEFORE}\n{snippet}".splitlines())
    problems = problems_of(check, tmp_path, snippet)
    assert problems
    lines = [int(problem.rsplit("snippet.py:")[1].split(":")[0]) for problem in problems]
    assert all(len(BEFORE.splitlines()) < line <= last for line in lines), problems


@pytest.mark.parametrize("snippet", PASSES.values(), ids=PASSES)
def test_what_passes(check: ModuleType, tmp_path: Path, snippet: str) -> None:
    assert problems_of(check, tmp_path, snippet) == []


def test_it_ends_as_a_linter_does(tmp_path: Path) -> None:
    package = tmp_path / "own"
    package.mkdir()
    file = package / "__init__.py"
    file.write_text("import ssl\n\nssl._create_unverified_context()\n")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(package)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"{file}:3: _create_unverified_context of ssl is private to ssl\n"
