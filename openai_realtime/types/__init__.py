"""The types of parameters (`…Param`, `…Params`) and responses.

Each name is imported when it is first used. Responses store fields and values that this version
does not know. Editors suggest the known models, voices and so on; other strings are accepted too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.types.annotations import JsonParam
    from openai_realtime.types.audio import (
        AudioFormat,
        CustomVoice,
        CustomVoiceParam,
        Modality,
        NestedTurnDetectionParam,
        NoiseReduction,
        NoiseReductionParam,
        SemanticVadParam,
        ServerVadParam,
        Transcription,
        TranscriptionModel,
        TranscriptionParam,
        TurnDetection,
        TurnDetectionParam,
        VoiceName,
    )
    from openai_realtime.types.base import RequestOptions
    from openai_realtime.types.call import (
        CallAcceptParams,
        CallConnectParams,
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
    from openai_realtime.types.live import (
        LiveAcceptParams,
        LiveAcceptSessionParam,
        LiveAssistantMessageParam,
        LiveAudioOutputParam,
        LiveAudioParam,
        LiveClientParam,
        LiveCreateParams,
        LiveCreateResponse,
        LiveCustomVoiceParam,
        LiveDataChannelParam,
        LiveHangupParams,
        LiveInputMessageParam,
        LiveInputTextParam,
        LiveMessageParam,
        LiveModel,
        LiveOutputTextParam,
        LiveReferParams,
        LiveRejectParams,
        LiveServerEventParam,
        LiveSession,
        LiveSessionParam,
        LiveTransport,
        LiveTransportParam,
        LiveVoiceName,
        LiveWakePolicyParam,
    )
    from openai_realtime.types.live_delegation import (
        HostedTool,
        LiveAllowedToolsParam,
        LiveClientDelegationParam,
        LiveDecisionsDelegationParam,
        LiveDelegationParam,
        LiveFunctionToolParam,
        LiveReasoningParam,
        LiveResponsesDelegationParam,
        LiveResponsesParam,
        LiveTextParam,
        LiveToolChoiceFunctionParam,
        LiveToolChoiceHostedParam,
        LiveToolChoiceParam,
        LiveToolParam,
    )
    from openai_realtime.types.model import Model, ModelRetrieveParams
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
    from openai_realtime.types.session import (
        Include,
        MaxTokens,
        Prompt,
        PromptParam,
        RealtimeModel,
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
        RetentionRatioTruncation,
        RetentionRatioTruncationParam,
        SecretPoolParams,
        SessionCreateParams,
        TokenLimits,
        TokenLimitsParam,
        TracingConfiguration,
        TracingConfigurationParam,
        TranscriptionSessionCreateParams,
    )
    from openai_realtime.types.sideband import (
        ErrorEvent,
        Reconnected,
        ResponseDone,
        SessionEvent,
        SidebandEvent,
        SidebandUsage,
    )
    from openai_realtime.types.tools import (
        ConnectorId,
        FlatToolChoice,
        FlatToolParam,
        FunctionTool,
        FunctionToolParam,
        McpApproval,
        McpApprovalParam,
        McpTool,
        McpToolFilter,
        McpToolFilterParam,
        McpToolParam,
        NestedToolChoice,
        NestedToolParam,
        SessionTool,
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
        TranslationNoiseReductionParam,
        TranslationOutput,
        TranslationOutputParam,
        TranslationSessionParam,
        TranslationTranscriptionParam,
    )
    from openai_realtime.types.webhook import (
        AnyWebhookEvent,
        IncomingCall,
        IncomingCallData,
        LiveConnectedData,
        LiveIncomingData,
        LiveTransportConnected,
        LiveTransportIncoming,
        RealtimeCallIncoming,
        SafetyIdentifierBlocked,
        SafetyIdentifierBlockedData,
        SipHeader,
        WebhookEvent,
    )

__all__ = [
    "AnyWebhookEvent",
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
    "CallConnectParams",
    "CallCreateParams",
    "CallHangupParams",
    "CallReferParams",
    "CallRejectParams",
    "ClientSecret",
    "ClientSecretCreateParams",
    "ClientSecretCreateResponse",
    "ClientSecretParam",
    "ConnectorId",
    "CustomVoice",
    "CustomVoiceParam",
    "ErrorEvent",
    "ExpiresAfterParam",
    "FlatSecretResponse",
    "FlatToolChoice",
    "FlatToolParam",
    "FunctionTool",
    "FunctionToolParam",
    "HostedTool",
    "Include",
    "IncomingCall",
    "IncomingCallData",
    "JsonParam",
    "LiveAcceptParams",
    "LiveAcceptSessionParam",
    "LiveAllowedToolsParam",
    "LiveAssistantMessageParam",
    "LiveAudioOutputParam",
    "LiveAudioParam",
    "LiveClientDelegationParam",
    "LiveClientParam",
    "LiveConnectedData",
    "LiveCreateParams",
    "LiveCreateResponse",
    "LiveCustomVoiceParam",
    "LiveDataChannelParam",
    "LiveDecisionsDelegationParam",
    "LiveDelegationParam",
    "LiveFunctionToolParam",
    "LiveHangupParams",
    "LiveIncomingData",
    "LiveInputMessageParam",
    "LiveInputTextParam",
    "LiveMessageParam",
    "LiveModel",
    "LiveOutputTextParam",
    "LiveReasoningParam",
    "LiveReferParams",
    "LiveRejectParams",
    "LiveResponsesDelegationParam",
    "LiveResponsesParam",
    "LiveServerEventParam",
    "LiveSession",
    "LiveSessionParam",
    "LiveTextParam",
    "LiveToolChoiceFunctionParam",
    "LiveToolChoiceHostedParam",
    "LiveToolChoiceParam",
    "LiveToolParam",
    "LiveTransport",
    "LiveTransportConnected",
    "LiveTransportIncoming",
    "LiveTransportParam",
    "LiveVoiceName",
    "LiveWakePolicyParam",
    "MaxTokens",
    "McpApproval",
    "McpApprovalParam",
    "McpTool",
    "McpToolFilter",
    "McpToolFilterParam",
    "McpToolParam",
    "Modality",
    "Model",
    "ModelRetrieveParams",
    "NestedRealtimeSession",
    "NestedSecretResponse",
    "NestedSession",
    "NestedToolChoice",
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
    "Reconnected",
    "RequestOptions",
    "ResponseDone",
    "RetentionRatioTruncation",
    "RetentionRatioTruncationParam",
    "SafetyIdentifierBlocked",
    "SafetyIdentifierBlockedData",
    "SecretPoolParams",
    "SemanticVadParam",
    "ServerVadParam",
    "SessionCreateParams",
    "SessionEvent",
    "SessionTool",
    "SidebandEvent",
    "SidebandUsage",
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
    "TranslationNoiseReductionParam",
    "TranslationOutput",
    "TranslationOutputParam",
    "TranslationSessionParam",
    "TranslationTranscriptionParam",
    "TurnDetection",
    "TurnDetectionParam",
    "VoiceName",
    "WebhookEvent",
]

# Hidden from type checkers: with it, they would accept every misspelt name.
if not TYPE_CHECKING:  # pragma: no branch
    _MODULES = {
        "types.annotations": "JsonParam",
        "types.audio": "AudioFormat CustomVoice CustomVoiceParam Modality NestedTurnDetectionParam "
        "NoiseReduction NoiseReductionParam SemanticVadParam ServerVadParam Transcription "
        "TranscriptionModel TranscriptionParam TurnDetection TurnDetectionParam VoiceName",
        "types.base": "RequestOptions",
        "types.call": "CallAcceptParams CallConnectParams CallCreateParams CallHangupParams CallReferParams "
        "CallRejectParams RealtimeCall",
        "types.client_secret": "ClientSecret ClientSecretParam ExpiresAfterParam FlatSecretResponse "
        "NestedSecretResponse TranscriptionClientSecretParam",
        "types.live": "LiveAcceptParams LiveAcceptSessionParam LiveAssistantMessageParam "
        "LiveAudioOutputParam LiveAudioParam LiveClientParam LiveCreateParams "
        "LiveCreateResponse LiveCustomVoiceParam LiveDataChannelParam LiveHangupParams "
        "LiveInputMessageParam LiveInputTextParam LiveMessageParam LiveModel "
        "LiveOutputTextParam LiveReferParams LiveRejectParams LiveServerEventParam "
        "LiveSession LiveSessionParam LiveTransport LiveTransportParam LiveVoiceName "
        "LiveWakePolicyParam",
        "types.live_delegation": "HostedTool LiveAllowedToolsParam LiveClientDelegationParam "
        "LiveDecisionsDelegationParam LiveDelegationParam LiveFunctionToolParam "
        "LiveReasoningParam LiveResponsesDelegationParam LiveResponsesParam LiveTextParam "
        "LiveToolChoiceFunctionParam LiveToolChoiceHostedParam LiveToolChoiceParam "
        "LiveToolParam",
        "types.model": "Model ModelRetrieveParams",
        "types.nested_session": "Audio AudioEncoding AudioEncodingParam AudioInput AudioInputParam AudioOutput "
        "AudioOutputParam AudioParam ClientSecretCreateParams ClientSecretCreateResponse "
        "NestedRealtimeSession NestedSession NestedTranscriptionSession RealtimeSessionParam "
        "Reasoning ReasoningParam TranscriptionAudioParam TranscriptionSessionParam",
        "types.session": "Include MaxTokens Prompt PromptParam RealtimeModel RealtimeSessionCreateResponse "
        "RealtimeTranscriptionSessionCreateResponse RetentionRatioTruncation "
        "RetentionRatioTruncationParam SecretPoolParams SessionCreateParams TokenLimits "
        "TokenLimitsParam TracingConfiguration TracingConfigurationParam "
        "TranscriptionSessionCreateParams",
        "types.sideband": "ErrorEvent Reconnected ResponseDone SessionEvent SidebandEvent SidebandUsage",
        "types.tools": "ConnectorId FlatToolChoice FlatToolParam FunctionTool FunctionToolParam McpApproval "
        "McpApprovalParam McpTool McpToolFilter McpToolFilterParam McpToolParam SessionTool "
        "NestedToolChoice NestedToolParam ToolChoiceFunctionParam ToolChoiceMcpParam",
        "types.translation": "RealtimeTranslationSession TranslationAudio TranslationAudioParam "
        "TranslationClientSecretCreateParams TranslationClientSecretCreateResponse "
        "TranslationInput TranslationInputParam TranslationNoiseReductionParam "
        "TranslationOutput TranslationOutputParam TranslationSessionParam "
        "TranslationTranscriptionParam",
        "types.webhook": "AnyWebhookEvent IncomingCall IncomingCallData LiveConnectedData LiveIncomingData "
        "LiveTransportConnected LiveTransportIncoming RealtimeCallIncoming "
        "SafetyIdentifierBlocked SafetyIdentifierBlockedData SipHeader WebhookEvent",
    }
    __getattr__ = lazy_names(
        __name__, {module: names.split() for module, names in _MODULES.items()}
    )


def __dir__() -> list[str]:
    return __all__
