"""Forks while another thread exchanges a token: the child exchanges its own. Arguments: two URLs."""

import os
import sys
import threading
import traceback

from openai_realtime import SyncRealtimeSessionsClient, workload_identity

PARENT = os.getpid()
is_exchanging, may_go_on = threading.Event(), threading.Event()


def subject_token() -> str:
    if os.getpid() == PARENT:
        is_exchanging.set()
        may_go_on.wait(20)
    return "eyJ.subject.x"


def main(base_url: str, token_url: str) -> None:
    identity = workload_identity(
        identity_provider_id="idp",
        service_account_id="sa",
        subject_token=subject_token,
        token_url=token_url,
    )
    client = SyncRealtimeSessionsClient(base_url=base_url, api_key=identity, timeout=20)
    thread = threading.Thread(target=client.sessions.create)
    thread.start()
    is_exchanging.wait(20)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.sessions.create(timeout=10)
            status = 0
        except BaseException:  # noqa: BLE001 - it must not go on as the parent
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    may_go_on.set()
    thread.join()
    sys.exit(os.waitstatus_to_exitcode(status))


main(*sys.argv[1:])
