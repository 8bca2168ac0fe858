"""What httpcore logs of others' traffic is left alone; of ours, it logs nothing."""

import logging

import pytest

from openai_realtime.transports.quiet import quietly


def test_traffic_is_logged_for_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("httpcore.http11")
    with caplog.at_level(logging.DEBUG):
        logger.debug("receive_response_headers.complete return_value=%r", "theirs")
        with quietly():
            logger.debug("receive_response_headers.complete return_value=%r", "ours")
            logger.debug("receive_response_body.started")
    assert [record.getMessage() for record in caplog.records] == [
        "receive_response_headers.complete return_value='theirs'",
    ]
