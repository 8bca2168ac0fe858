"""The options that say what is asked for and how it is printed, each once, with its help.

Owns: names, types and wording of options; those that say who is asked are in
`connection_options.py`. Must not know: what becomes of their values. Ranges are not checked here:
the client does, and says more.
"""

from typing import Annotated

import typer

from openai_realtime.cli.choices import DialectName, TurnDetection

_SESSION = "Session"
_OUTPUT = "Output"

Transcription = Annotated[
    bool,
    typer.Option(
        "--transcription",
        help="Mint a transcription session: speech in, text out. Its model is --transcription-model.",
        rich_help_panel=_SESSION,
    ),
]
Translate = Annotated[
    str | None,
    typer.Option(
        metavar="LANGUAGE",
        help="Mint a translation session into this language, such as es.",
        rich_help_panel=_SESSION,
    ),
]
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
Dialect = Annotated[
    DialectName | None,
    typer.Option(
        metavar="DIALECT",
        help="The shape that is sent: beta (flat), ga (nested), or auto: flat first, nested when the "
        "server has retired it. Default: what the provider takes.",
        rich_help_panel=_SESSION,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict/--no-strict",
        help="Fail when the server's dialect has no place for a parameter. Default: leave the "
        "parameter out, and warn.",
        show_default=False,
        rich_help_panel=_SESSION,
    ),
]

CallId = Annotated[
    str,
    typer.Argument(
        metavar="CALL_ID",
        help="The call's id, such as rtc_123, from the webhook or from calls create.",
        show_default=False,
    ),
]
TargetUri = Annotated[
    str,
    typer.Argument(
        metavar="TARGET_URI",
        help="Where the call goes: tel:+14155550123 or sip:agent@example.com.",
        show_default=False,
    ),
]
Sdp = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="The WebRTC peer's SDP offer (- is stdin).",
        show_default=False,
    ),
]
StatusCode = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        help="The SIP status that the caller is sent, such as 486 (busy). Default: 603 (decline).",
    ),
]
CallConfig = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A JSON file with the session, in the nested shape (- is stdin); the options override "
        "it.",
        rich_help_panel=_SESSION,
    ),
]
CallParam = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Any of the session's fields by its name; the value is JSON, or else text. Dots nest: "
        "audio.output.speed=1.2. Repeatable; overrides the options and --config.",
        rich_help_panel=_SESSION,
    ),
]

Json = Annotated[
    bool,
    typer.Option("--json", help="Print the session as JSON.", rich_help_panel=_OUTPUT),
]
CallJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the call's id and the SDP answer as JSON.",
        rich_help_panel=_OUTPUT,
    ),
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
