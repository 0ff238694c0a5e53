"""Deliveries of webhooks to receivers on this machine that misbehave: bounded in time and size, each on its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox

from ..processes import until

HEAD = b"HTTP/1.1 200 OK\r\n"
Behaviour = Callable[[socket.socket, threading.Event], Any]


@contextlib.contextmanager
def receiving(behave: Behaviour) -> Iterator[tuple[str, threading.Event]]:
    """A receiver that does what it likes with each request: its URL, and what is set when a sender has gone."""
    over, gone = threading.Event(), threading.Event()

    def serve(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            peer.settimeout(10)
            peer.recv(65_536)
            behave(peer, over)
            while peer.recv(65_536):
                pass
        gone.set()

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True)
                threads.append(thread)
                thread.start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=listen, daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", gone
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
    for thread in [accepting, *threads]:
        thread.join(10)


def silent(peer: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def dripping(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(HEAD + b"content-length: 100000\r\n\r\n")
    while not over.wait(0.01):
        peer.sendall(b"x")


def dripping_head(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(HEAD)
    while not over.wait(0.01):
        peer.sendall(b"x")


def endless(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(HEAD + b"\r\n")
    while not over.is_set():
        peer.sendall(b"x" * 65_536)


def false_gzip(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(HEAD + b"content-encoding: gzip\r\ncontent-length: 8\r\n\r\nnot gzip")


def polite(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(HEAD + b"content-length: 0\r\n\r\n")


def gibberish(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(b"\xff\x00 what?\r\n\r\n")


def hurried() -> Sandbox:
    """A sandbox whose deliveries have a tenth of a second."""
    sandbox = Sandbox("fresh")
    sandbox.workspaces.courier.time_limit = 0.1
    return sandbox


def ask(sandbox: Sandbox, method: str, path: str, **more: Any) -> Any:
    answer = httpx.request(method, f"{sandbox.url}/api/v2{path}", headers=sandbox.headers, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send_test(sandbox: Sandbox, url: str) -> None:
    webhook = ask(sandbox, "POST", "/webhooks", json={"target_hook_url": url, "event_type": "all_events"})
    ask(sandbox, "POST", f"/webhooks/{webhook['id']}/test")


def told(sandbox: Sandbox, url: str) -> dict[str, Any]:
    (event,) = ask(sandbox, "GET", "/webhook-events", params={"search": url})["items"]
    return event


@pytest.mark.parametrize("behave", [silent, dripping, dripping_head])
def test_a_delivery_has_one_time_limit_however_the_receiver_spends_it(behave: Behaviour) -> None:
    with receiving(behave) as (url, _), hurried() as sandbox:
        send_test(sandbox, url)
        sandbox.workspaces.courier.wait(10)
        event = told(sandbox, url)
    assert (event["success"], "status_code" in event) == (False, False)
    assert event["error_message"] == "The receiver did not answer within 0.1 s"
    assert 90 <= event["response_time_ms"] < 5000


def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    with receiving(endless) as (url, gone), Sandbox("fresh") as sandbox:
        send_test(sandbox, url)
        sandbox.workspaces.courier.wait(10)
        assert gone.wait(10)
        event = told(sandbox, url)
    assert (event["success"], event["status_code"]) == (True, 200)


def test_a_compressed_answer_is_not_unpacked() -> None:
    """Unpacking this one would fail."""
    with receiving(false_gzip) as (url, _), Sandbox("fresh") as sandbox:
        send_test(sandbox, url)
        sandbox.workspaces.courier.wait(10)
        assert told(sandbox, url)["success"] is True


def test_what_is_no_http_is_a_failed_delivery_and_the_next_one_is_made() -> None:
    with receiving(gibberish) as (odd, _), receiving(polite) as (url, _), Sandbox("fresh") as sandbox:
        send_test(sandbox, odd)
        sandbox.workspaces.courier.wait(10)
        send_test(sandbox, url)
        sandbox.workspaces.courier.wait(10)
        assert (told(sandbox, odd)["success"], told(sandbox, url)["success"]) == (False, True)


def test_receivers_that_drip_hold_up_no_others() -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(receiving(dripping))[0] for _ in range(5)]
        url, _ = stack.enter_context(receiving(polite))
        # The sandbox is closed first: it breaks off what still drips.
        sandbox = stack.enter_context(Sandbox("fresh"))
        for receiver in [*slow, url]:
            send_test(sandbox, receiver)
        until(lambda: sandbox.workspaces.courier.has_answers(sandbox.world), 10)
        assert told(sandbox, url)["success"] is True


def test_a_silent_receiver_in_one_sandbox_holds_up_no_other() -> None:
    with (
        receiving(silent) as (mute, _),
        receiving(polite) as (url, _),
        Sandbox("fresh") as one,
        Sandbox("fresh") as other,
    ):
        send_test(one, mute)
        send_test(other, url)
        other.workspaces.courier.wait(10)
        assert told(other, url)["success"] is True
        assert told(one, mute)["will_retry"] is True


def test_closing_a_sandbox_breaks_off_its_deliveries_and_ends_its_thread() -> None:
    with receiving(silent) as (url, gone):
        with Sandbox("fresh") as sandbox:
            for _ in range(3):
                send_test(sandbox, url)
            assert "webhook courier" in [thread.name for thread in threading.enumerate()]
        assert "webhook courier" not in [thread.name for thread in threading.enumerate()]
    assert gone.wait(10)
    assert len(sandbox.world.webhook_events) == 3


def test_an_answer_to_what_was_before_a_reset_is_not_taken_for_one_to_what_came_after() -> None:
    """The same calls make the same ids."""
    held = threading.Event()

    def late(peer: socket.socket, over: threading.Event) -> None:
        held.wait(10)
        peer.sendall(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")

    with receiving(late) as (url, _), Sandbox("fresh") as sandbox:
        send_test(sandbox, url)
        first = told(sandbox, url)["id"]
        sandbox.reset()
        held.set()
        send_test(sandbox, url)
        sandbox.workspaces.courier.wait(10)
        assert told(sandbox, url)["id"] == first
        assert len(sandbox.workspaces.courier.collect(sandbox.world)) == 0
