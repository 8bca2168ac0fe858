"""The expectation for every fault, one row each, which is the same on every backend.

A call that no retry can help ends after its first request, and another call after its third. On a reused
connection, a connection that ends without a response may only mean that the server closed it while it
was idle. Minting then sends one request more, which does not count as a retry.
"""

from __future__ import annotations

from faults.bad_responses import REDIRECTS
from faults.rows import (
    ATTEMPTS,
    BOTH_TRANSPORTS,
    Row,
    cut_off,
    fine,
    lost,
    malformed,
    refused,
    retry_after,
    stalls,
    unusable,
)
from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    CertificateError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    UnprocessableEntityError,
)

CONNECTION = [
    Row("refuse", APIConnectionError, ("connect",), 0, injections=0, transports=BOTH_TRANSPORTS),
    cut_off("fin_on_accept", error_type=APIConnectionError, injections=ATTEMPTS),
    cut_off("rst_on_accept", error_type=APIConnectionError, injections=ATTEMPTS),
    Row("slow_to_accept", None, transports=BOTH_TRANSPORTS),
    lost("fin_before_response", ATTEMPTS + 1),
    lost("rst_before_response", ATTEMPTS + 1),
    lost("fin_mid_headers"),
    lost("rst_mid_headers"),
    lost("rst_after_headers"),
    lost("rst_mid_body"),
    lost("fin_mid_body"),
    lost("fin_mid_chunks"),
    Row("fin_mid_unframed_body", APIResponseValidationError),
    # With TLS the client can tell a cut connection from a closed one.
    Row("fin_mid_unframed_body", APIConnectionError, ("receive",), ATTEMPTS, transports=("TLS",)),
    # The server closes the idle connection, or sends a response without a request: the call succeeds.
    Row("idle_fin", None, connection_uses=("reused",), times=1, transports=BOTH_TRANSPORTS),
    Row("idle_rst", None, connection_uses=("reused",), times=1, transports=BOTH_TRANSPORTS),
    Row("idle_response", None, connection_uses=("reused",), times=1, transports=BOTH_TRANSPORTS),
    Row(
        "idle_timeout_response",
        None,
        connection_uses=("reused",),
        times=1,
        transports=BOTH_TRANSPORTS,
    ),
    Row(
        "rst_when_written_to",
        None,
        connection_uses=("reused",),
        times=1,
        transports=BOTH_TRANSPORTS,
    ),
    Row(
        "fin_before_response",
        None,
        (),
        2,
        connection_uses=("reused",),
        times=1,
        transports=BOTH_TRANSPORTS,
    ),
    Row(
        "rst_before_response",
        None,
        (),
        2,
        connection_uses=("reused",),
        times=1,
        transports=BOTH_TRANSPORTS,
    ),
    Row("in_pieces", None, transports=BOTH_TRANSPORTS),
    Row("two_responses", None, transports=BOTH_TRANSPORTS),
    Row("two_responses_in_two_records", None, transports=BOTH_TRANSPORTS),
]

TIME = [
    stalls("silence_from_the_start", 0),
    stalls("silence_after_the_request"),
    stalls("silence_after_headers"),
    stalls("silence_mid_body"),
    stalls("length_too_long"),
    stalls("dripped_headers"),
    stalls("dripped_body"),
    stalls("dripped_chunks"),
    stalls("dripped_interim_responses"),
    stalls("request_is_not_read", 0, instructions=6_000_000),
    stalls("request_is_read_slowly", 0, instructions=6_000_000),
    stalls("handshake_stalls", 0, transports=("TLS",)),
    stalls("handshake_is_dripped", 0, transports=("TLS",)),
]

TLS = [
    Row("tls_that_is_old", None, transports=("TLS",)),
    *(
        cut_off(fault, transports=("TLS",), error_type=error_type, injections=injections)
        for fault, error_type, injections in (
            ("expired_certificate", CertificateError, 1),
            ("self_signed_certificate", CertificateError, 1),
            ("certificate_of_another_host", CertificateError, 1),
            ("tls_that_is_too_old", APIConnectionError, 1),
            ("plain_text_instead_of_tls", APIConnectionError, 1),
            ("handshake_is_cut", APIConnectionError, ATTEMPTS),
            ("handshake_is_reset", APIConnectionError, ATTEMPTS),
        )
    ),
]

FRAMING = [
    malformed(fault)
    for fault in (
        "garbage_status_line",
        "binary_garbage",
        "http_0_9",
        "http_2_preface",
        "secret_as_status_line",
        "secret_as_header",
        "secret_as_length",
        "secret_as_chunk_size",
        "status_is_no_number",
        "status_of_four_digits",
        "header_without_colon",
        "two_lengths",
        "length_is_no_number",
        "length_is_negative",
        "chunk_size_is_no_number",
        "chunk_longer_than_declared",
        "switching_protocols",
        "unknown_transfer_encoding",
        "bare_line_feeds",
        "status_600",
        "status_999",
    )
]

BOUNDS = [
    malformed(fault)
    for fault in (
        "endless_headers",
        "endless_header_line",
        "endless_status_line",
        "endless_trailers",
        "endless_body",
        "endless_chunks",
        "endless_error_body",
        "headers_over_64_kib",
        "body_of_1_mib_and_1",
        "body_over_1_mib",
        "body_over_1_mib_in_chunks",
        "error_body_over_1_mib",
        "gzip_bomb",
        "gzip_bomb_as_error",
        "gzip_damaged",
        "gzip_in_name_only",
        "brotli",
        "endless_interim_responses",
        "endless_early_hints",
        "interim_responses_11",
        "endless_chunk_size",
    )
]

RESPONSES = [
    unusable(fault)
    for fault in (
        "length_too_short",
        "empty_body",
        "html",
        "json_list",
        "json_null",
        "json_text",
        "json_cut",
        "json_of_65_levels",
        "json_of_100_000_levels",
        "json_not_a_number",
        "json_infinity",
        "json_not_utf_8",
        "error_in_a_success",
        "secret_missing",
        "client_secret_missing",
        "client_secret_is_text",
        "secret_null",
        "secret_empty",
        "secret_a_number",
        "secret_not_ascii",
        "secret_with_newline",
        "secret_with_space",
        "secret_too_long",
        "expiry_negative",
        "expiry_not_a_number",
        "expiry_infinite",
        "expiry_absurd",
        "expiry_a_huge_integer",
        "expiry_an_object",
        "no_content",
    )
] + [
    fine(fault)
    for fault in (
        "headers_below_64_kib",
        "interim_responses_10",
        "body_of_1_mib",
        "json_of_64_levels",
        "gzip_not_requested",
        "expiry_zero",
        "expiry_absent",
        "set_cookie",
    )
]

STATUSES = [
    *[refused(status, RedirectError) for status in REDIRECTS],
    refused(400, BadRequestError),
    refused(401, AuthenticationError),
    refused(403, PermissionDeniedError),
    refused(404, NotFoundError, requests=2),  # flat first, then nested: one of them may be there
    refused(409, ConflictError, ATTEMPTS),
    refused(422, UnprocessableEntityError),
    refused(429, RateLimitError, ATTEMPTS),
    refused(500, InternalServerError, ATTEMPTS),
    refused(501, InternalServerError),
    refused(502, InternalServerError, ATTEMPTS),
    refused(503, InternalServerError, ATTEMPTS),
    refused(504, InternalServerError, ATTEMPTS),
    refused(505, InternalServerError),
    refused(529, InternalServerError, ATTEMPTS),
    *retry_after(429, RateLimitError),
    *retry_after(503, InternalServerError),
    Row("status_503_retry_not", InternalServerError),
    *(
        Row(
            fault,
            APIStatusError,
            requests=0,
            injections=1,
            transports=BOTH_TRANSPORTS,
            instructions=6_000_000,
        )
        for fault in ("refused_before_it_was_read", "refused_before_it_was_read_and_kept")
    ),
]

ROWS = [*CONNECTION, *TIME, *TLS, *FRAMING, *BOUNDS, *RESPONSES, *STATUSES]
