"""The options of `openai-realtime serve`: where it listens, who may ask, and for what.

Owns: names, types and wording of options. Must not know: what becomes of their values. Each can be
set in the environment too (`OPENAI_REALTIME_SERVE_` and its name), or in a TOML file.
"""

from typing import Annotated

import typer

from openai_realtime.cli.choices import LogFormat
from openai_realtime.cli.serve_file import ServeFile, put_below, read_serve_file

_LISTEN = "Where it listens"
_WHO = "Who may ask (choose one)"
_WHAT = "What they get"
_RUN = "Running it"

Config = Annotated[
    ServeFile | None,
    typer.Option(
        metavar="FILE",
        help="A TOML file with these settings by name, and the tables \\[session] and \\[allow]. The "
        "environment and the options override it.",
        parser=read_serve_file,
        callback=put_below,
        is_eager=True,
        rich_help_panel=_RUN,
    ),
]
Host = Annotated[
    str,
    typer.Option(
        metavar="HOST",
        help="The address to listen on; 0.0.0.0 is every one of this machine's.",
        rich_help_panel=_LISTEN,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        min=0,
        max=65535,
        help="The port; 0 takes a free one.",
        rich_help_panel=_LISTEN,
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin",
        metavar="ORIGIN",
        help="A web page's origin that may ask, exactly: https://app.example. Repeatable.",
        rich_help_panel=_WHO,
    ),
]
Credentials = Annotated[
    bool,
    typer.Option(
        "--credentials",
        help="Let pages of these origins send cookies along.",
        rich_help_panel=_WHO,
    ),
]
TrustedProxies = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        min=0,
        help="How many proxies of yours stand in front, each adding to X-Forwarded-For.",
        rich_help_panel=_WHO,
    ),
]
AuthorizeName = Annotated[
    str | None,
    typer.Option(
        "--authorize",
        metavar="MODULE:NAME",
        help="Your function: takes the Starlette request, returns who asks, or None to refuse.",
        rich_help_panel=_WHO,
    ),
]
TokenFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Whoever sends one of these bearer tokens. A line is a token, or a name and a token.",
        rich_help_panel=_WHO,
    ),
]
AnyoneHere = Annotated[
    bool,
    typer.Option(
        "--anyone-on-this-machine",
        help="Whoever connects from this machine itself. For development: never behind a proxy or a "
        "tunnel on this machine, for whoever reaches that is on this machine too.",
        rich_help_panel=_WHO,
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="NAME=VALUE,…",
        help="What the page may choose: voice=verse,marin. Repeatable. Default: nothing.",
        rich_help_panel=_WHAT,
    ),
]
TimeToLive = Annotated[
    int,
    typer.Option(
        "--ttl",
        metavar="SECONDS",
        help="How long a secret lives, 10 to 7200 seconds.",
        rich_help_panel=_WHAT,
    ),
]
Limits = Annotated[
    str | None,
    typer.Option(
        metavar="RATES",
        help="How often each principal may mint. Default: 5/minute; 3/10 seconds.",
        rich_help_panel=_WHAT,
    ),
]
GlobalLimits = Annotated[
    str | None,
    typer.Option(
        metavar="RATES",
        help="How often everybody together may. Default: 600/minute.",
        rich_help_panel=_WHAT,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where is counted: redis://… for a fleet; one with a password belongs into the "
        "environment. Default: this process's memory.",
        rich_help_panel=_WHAT,
    ),
]
SafetyKeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Tell the provider who speaks, by a pseudonym made with the key in this file: 16 bytes "
        "or more, the same in all processes.",
        rich_help_panel=_WHAT,
    ),
]
ConnectUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where the page sends its SDP offer. Default: the provider's calls endpoint.",
        rich_help_panel=_WHAT,
    ),
]
Page = Annotated[
    bool,
    typer.Option("--page", help="Serve a page at / to talk on.", rich_help_panel=_RUN),
]
Metrics = Annotated[
    bool,
    typer.Option("--metrics", help="Serve /metrics, for Prometheus.", rich_help_panel=_RUN),
]
Log = Annotated[
    LogFormat,
    typer.Option(
        metavar="FORMAT",
        help="How requests are told on stderr: text, or json, an object a line.",
        rich_help_panel=_RUN,
    ),
]
