"""The types of parameters (`…Param`, `…Params`) and responses.

Each name is imported when it is first used. Responses store fields and values that this version
does not know. Editors suggest the known models, voices and so on; other strings are accepted too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai_realtime.types.annotations import JsonParam
    from openai_realtime.types.audio import (
        AudioFormat,
        CustomVoice,
        CustomVoiceParam,
        Modality,
        NoiseReduction,
        NoiseReductionParam,
        Transcription,
        TranscriptionModel,
        TranscriptionParam,
        VoiceName,
    )
    from openai_realtime.types.call import (
        CallAcceptParams,
        CallCreateParams,
        CallHangupParams,
        CallReferParams,
        CallRejectParams,
        RealtimeCall,
    )
    from openai_realtime.types.client_secret import (
        ClientSecret,
        ClientSecretParam,
        ExpiresAfterParam,
        FlatSecretResponse,
        NestedSecretResponse,
        TranscriptionClientSecretParam,
    )
    from openai_realtime.types.nested_session import (
        Audio,
        AudioEncoding,
        AudioEncodingParam,
        AudioInput,
        AudioInputParam,
        AudioOutput,
        AudioOutputParam,
        AudioParam,
        ClientSecretCreateParams,
        ClientSecretCreateResponse,
        NestedRealtimeSession,
        NestedSession,
        NestedTranscriptionSession,
        RealtimeSessionParam,
        Reasoning,
        ReasoningParam,
        TranscriptionAudioParam,
        TranscriptionSessionParam,
    )
    from openai_realtime.types.options import RequestOptions
    from openai_realtime.types.session import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
        SecretPoolParams,
        SessionCreateParams,
        TranscriptionSessionCreateParams,
    )
    from openai_realtime.types.session_settings import (
        Include,
        MaxTokens,
        Prompt,
        PromptParam,
        RealtimeModel,
        RetentionRatioTruncation,
        RetentionRatioTruncationParam,
        TokenLimits,
        TokenLimitsParam,
        TracingConfiguration,
        TracingConfigurationParam,
    )
    from openai_realtime.types.tools import (
        FunctionTool,
        FunctionToolParam,
        McpApprovalParam,
        McpTool,
        McpToolFilterParam,
        McpToolParam,
        NestedTool,
        NestedToolParam,
        ToolChoiceFunctionParam,
        ToolChoiceMcpParam,
    )
    from openai_realtime.types.translation import (
        RealtimeTranslationSession,
        TranslationAudio,
        TranslationAudioParam,
        TranslationClientSecretCreateParams,
        TranslationClientSecretCreateResponse,
        TranslationInput,
        TranslationInputParam,
        TranslationOutput,
        TranslationOutputParam,
        TranslationSessionParam,
        TranslationTranscriptionParam,
    )
    from openai_realtime.types.turn_detection import (
        NestedTurnDetectionParam,
        SemanticVadParam,
        ServerVadParam,
        TurnDetection,
        TurnDetectionParam,
    )
    from openai_realtime.types.webhook import (
        IncomingCallData,
        RealtimeCallIncoming,
        SipHeader,
        WebhookEvent,
    )

__all__ = [
    "Audio",
    "AudioEncoding",
    "AudioEncodingParam",
    "AudioFormat",
    "AudioInput",
    "AudioInputParam",
    "AudioOutput",
    "AudioOutputParam",
    "AudioParam",
    "CallAcceptParams",
    "CallCreateParams",
    "CallHangupParams",
    "CallReferParams",
    "CallRejectParams",
    "ClientSecret",
    "ClientSecretCreateParams",
    "ClientSecretCreateResponse",
    "ClientSecretParam",
    "CustomVoice",
    "CustomVoiceParam",
    "ExpiresAfterParam",
    "FlatSecretResponse",
    "FunctionTool",
    "FunctionToolParam",
    "Include",
    "IncomingCallData",
    "JsonParam",
    "MaxTokens",
    "McpApprovalParam",
    "McpTool",
    "McpToolFilterParam",
    "McpToolParam",
    "Modality",
    "NestedRealtimeSession",
    "NestedSecretResponse",
    "NestedSession",
    "NestedTool",
    "NestedToolParam",
    "NestedTranscriptionSession",
    "NestedTurnDetectionParam",
    "NoiseReduction",
    "NoiseReductionParam",
    "Prompt",
    "PromptParam",
    "RealtimeCall",
    "RealtimeCallIncoming",
    "RealtimeModel",
    "RealtimeSessionCreateResponse",
    "RealtimeSessionParam",
    "RealtimeTranscriptionSessionCreateResponse",
    "RealtimeTranslationSession",
    "Reasoning",
    "ReasoningParam",
    "RequestOptions",
    "RetentionRatioTruncation",
    "RetentionRatioTruncationParam",
    "SecretPoolParams",
    "SemanticVadParam",
    "ServerVadParam",
    "SessionCreateParams",
    "SipHeader",
    "TokenLimits",
    "TokenLimitsParam",
    "ToolChoiceFunctionParam",
    "ToolChoiceMcpParam",
    "TracingConfiguration",
    "TracingConfigurationParam",
    "Transcription",
    "TranscriptionAudioParam",
    "TranscriptionClientSecretParam",
    "TranscriptionModel",
    "TranscriptionParam",
    "TranscriptionSessionCreateParams",
    "TranscriptionSessionParam",
    "TranslationAudio",
    "TranslationAudioParam",
    "TranslationClientSecretCreateParams",
    "TranslationClientSecretCreateResponse",
    "TranslationInput",
    "TranslationInputParam",
    "TranslationOutput",
    "TranslationOutputParam",
    "TranslationSessionParam",
    "TranslationTranscriptionParam",
    "TurnDetection",
    "TurnDetectionParam",
    "VoiceName",
    "WebhookEvent",
]

_MODULES = (
    "annotations",
    "audio",
    "call",
    "client_secret",
    "nested_session",
    "options",
    "session",
    "session_settings",
    "tools",
    "translation",
    "turn_detection",
    "webhook",
)


# Hidden from type checkers: with it, they would accept every misspelt name.
if not TYPE_CHECKING:  # pragma: no branch

    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        modules = (importlib.import_module(f"{__name__}.{module}") for module in _MODULES)
        value: object = next(vars(module)[name] for module in modules if name in vars(module))
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
