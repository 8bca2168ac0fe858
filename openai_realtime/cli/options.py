"""The options that commands declare, each once, with its help.

Owns: names, types and wording of options. Must not know: what becomes of their values. Ranges are
not checked here: the client does, and says more.
"""

from typing import Annotated

import typer

from openai_realtime.cli.parameters import TurnDetection

_SESSION = "Session"
_CONNECTION = "Connection"
_OUTPUT = "Output"

Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="The realtime model, such as gpt-realtime.", rich_help_panel=_SESSION
    ),
]
Voice = Annotated[
    str | None,
    typer.Option(metavar="VOICE", help="The voice, such as verse.", rich_help_panel=_SESSION),
]
Instructions = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="The system instructions.", rich_help_panel=_SESSION),
]
Modalities = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        metavar="NAME",
        help="What the model answers with: text, audio. Repeatable.",
        rich_help_panel=_SESSION,
    ),
]
Speed = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", help="The speed of speech, 0.25 to 1.5.", rich_help_panel=_SESSION
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", help="The sampling temperature, 0.6 to 1.2.", rich_help_panel=_SESSION
    ),
]
MaxTokens = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|inf",
        help="The most tokens of one response, 1 to 4096, or inf.",
        rich_help_panel=_SESSION,
    ),
]
TurnDetectionType = Annotated[
    TurnDetection | None,
    typer.Option(
        metavar="TYPE",
        help="How the end of a turn is heard: server_vad, semantic_vad, or none, where your client says it.",
        rich_help_panel=_SESSION,
    ),
]
InputFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="The audio sent: pcm16, g711_ulaw or g711_alaw.",
        rich_help_panel=_SESSION,
    ),
]
OutputFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="The audio received: pcm16, g711_ulaw or g711_alaw.",
        rich_help_panel=_SESSION,
    ),
]
TranscriptionModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Transcribe the person's speech with this model, such as gpt-4o-transcribe.",
        rich_help_panel=_SESSION,
    ),
]
TimeToLive = Annotated[
    int | None,
    typer.Option(
        "--ttl",
        metavar="SECONDS",
        help="How long the secret may live, 10 to 7200 seconds.",
        rich_help_panel=_SESSION,
    ),
]
SafetyIdentifier = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="A pseudonymous id of the person who will speak: a hash, never an e-mail address.",
        rich_help_panel=_SESSION,
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Any parameter by its name; the value is JSON, or else text. Dots nest: "
        "turn_detection.threshold=0.4. Repeatable; overrides the options and --config.",
        rich_help_panel=_SESSION,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A JSON file with parameters (- is stdin); the options override it.",
        rich_help_panel=_SESSION,
    ),
]

ApiKeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Read the API key from this file (- is stdin). Default: from OPENAI_API_KEY. There is "
        "no option for the key itself: other users could read it in the process list.",
        rich_help_panel=_CONNECTION,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where the API is. Default: OPENAI_BASE_URL, else https://api.openai.com/v1.",
        rich_help_panel=_CONNECTION,
    ),
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http",
        help="Allow plain http to other hosts than this one: the key crosses the network readably.",
        rich_help_panel=_CONNECTION,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Time for the whole call, retries included. Default: 30.",
        rich_help_panel=_CONNECTION,
    ),
]
MaxRetries = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        help="Retries after the first attempt. Default: 2.",
        rich_help_panel=_CONNECTION,
    ),
]
Mock = Annotated[
    bool,
    typer.Option(
        "--mock",
        help="Ask a mock server inside this process: no key, no network, the same client.",
        rich_help_panel=_CONNECTION,
    ),
]

Json = Annotated[
    bool,
    typer.Option("--json", help="Print the session as JSON.", rich_help_panel=_OUTPUT),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print the secret alone: KEY=$(openai-realtime mint -q)",
        rich_help_panel=_OUTPUT,
    ),
]
