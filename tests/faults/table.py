"""What every fault must come to: one row each, true of every backend of client.

Owns: the expectations. Must not know: how a fault is played or a row is checked.

A call that no retry can help ends at its first request; one that may, at its third. On a connection
that has served before, an end without any answer may only mean that the server had tired of it:
that costs minting one request more, and no retry.
"""

from __future__ import annotations

from typing import Any

from faults.bad_responses import REDIRECTS
from faults.rows import (
    ATTEMPTS,
    BOTH,
    STALLED,
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
    APITimeoutError,
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

# What becomes of an answer that does not end while the call has time.
STALLS: dict[str, Any] = {"kind": APITimeoutError, "phases": ("total",), "timeout": STALLED}

CONNECTION = [
    Row("refuse", APIConnectionError, ("connect",), 0, plays=0, over=BOTH),
    cut_off("fin_on_accept", kind=APIConnectionError, plays=ATTEMPTS),
    cut_off("rst_on_accept", kind=APIConnectionError, plays=ATTEMPTS),
    Row("slow_to_accept", None, over=BOTH),
    lost("fin_before_the_answer", ATTEMPTS + 1),
    lost("rst_before_the_answer", ATTEMPTS + 1),
    lost("fin_mid_headers"),
    lost("rst_mid_headers"),
    lost("rst_after_headers"),
    lost("rst_mid_body"),
    lost("fin_mid_body"),
    lost("fin_mid_chunks"),
    Row("fin_mid_unframed_body", APIResponseValidationError),
    # TLS tells a connection that was cut from one that was closed.
    Row("fin_mid_unframed_body", APIConnectionError, ("receive",), ATTEMPTS, over=("TLS",)),
    # The server was tired of the connection, or answers what nobody has asked: nobody notices.
    Row("idle_fin", None, how=("reused",), times=1, over=BOTH),
    Row("idle_rst", None, how=("reused",), times=1, over=BOTH),
    Row("idle_answer", None, how=("reused",), times=1, over=BOTH),
    Row("idle_timeout_answer", None, how=("reused",), times=1, over=BOTH),
    Row("rst_when_written_to", None, how=("reused",), times=1, over=BOTH),
    Row("fin_before_the_answer", None, (), 2, how=("reused",), times=1, over=BOTH),
    Row("rst_before_the_answer", None, (), 2, how=("reused",), times=1, over=BOTH),
    Row("in_pieces", None, over=BOTH),
    Row("answer_and_another", None, over=BOTH),
    Row("answer_and_another_record", None, over=BOTH),
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
    stalls("dripped_interim_answers"),
    stalls("request_is_not_read", 0, instructions=6_000_000),
    stalls("request_is_read_slowly", 0, instructions=6_000_000),
    stalls("handshake_stalls", 0, over=("TLS",)),
    stalls("handshake_is_dripped", 0, over=("TLS",)),
]

TLS = [
    Row("tls_that_is_old", None, over=("TLS",)),
    *(
        cut_off(fault, over=("TLS",), kind=kind, plays=plays)
        for fault, kind, plays in (
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
        "secret_for_a_status_line",
        "secret_for_a_header",
        "secret_for_a_length",
        "secret_for_a_chunk_size",
        "status_is_no_number",
        "status_of_four_digits",
        "header_without_colon",
        "two_lengths",
        "length_is_no_number",
        "length_is_negative",
        "chunk_size_is_no_number",
        "chunk_is_longer_than_told",
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
        "endless_interim_answers",
        "endless_early_hints",
        "interim_answers_11",
        "endless_chunk_size",
    )
]

ANSWERS = [
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
        "interim_answers_10",
        "body_of_1_mib",
        "json_of_64_levels",
        "gzip_unasked_for",
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
        Row(fault, APIStatusError, requests=0, plays=1, over=BOTH, instructions=6_000_000)
        for fault in ("refused_before_it_was_read", "refused_before_it_was_read_and_kept")
    ),
]

ROWS = [*CONNECTION, *TIME, *TLS, *FRAMING, *BOUNDS, *ANSWERS, *STATUSES]
