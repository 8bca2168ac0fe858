"""The options that say who is asked, with which key, and for how long.

Owns: names, types and wording of options. Must not know: what becomes of their values, nor which of
them go together (`address.py`).
"""

from typing import Annotated

import typer

from openai_realtime.cli import choices

_PROVIDER = "Provider"
_CONNECTION = "Connection"

ProviderName = Annotated[
    choices.ProviderName | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        help="Who is called: openai, azure, azure-preview, xai or litellm. Default: any server that "
        "does as OpenAI's, at the base URL.",
        rich_help_panel=_PROVIDER,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where the API is: any compatible server, LiteLLM, or what stands before xAI. Default: "
        "OPENAI_BASE_URL, else https://api.openai.com/v1.",
        rich_help_panel=_PROVIDER,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="openai: a data-residency region, such as eu.",
        rich_help_panel=_PROVIDER,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="azure, azure-preview: the resource, such as https://NAME.openai.azure.com.",
        rich_help_panel=_PROVIDER,
    ),
]
Deployment = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="azure-preview: the deployment, which is the model there.",
        rich_help_panel=_PROVIDER,
    ),
]
ApiVersion = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION",
        help="azure-preview: the API's version. Default: 2025-04-01-preview.",
        rich_help_panel=_PROVIDER,
    ),
]
AzureAuth = Annotated[
    choices.AzureAuth | None,
    typer.Option(
        metavar="KIND",
        help="azure, azure-preview: key (default), from AZURE_OPENAI_API_KEY, or token, an Entra ID "
        "token from AZURE_OPENAI_AD_TOKEN.",
        rich_help_panel=_PROVIDER,
    ),
]

ApiKeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Read the API key from this file (- is stdin). Default: from OPENAI_API_KEY, or the "
        "provider's own variable, named when it is missing. There is no option for the key itself: "
        "other users could read it in the process list.",
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
