from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import serial

from tinyanime.codegen.errors import ToolError
from tinyanime.host.emulate.endpoint import Endpoint, open_endpoint


@pytest.fixture(params=["pty", "tcp"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    opened = open_endpoint(None if request.param == "pty" else 0)
    yield opened
    opened.close()


def read_some(endpoint: Endpoint) -> bytes:
    deadline = time.monotonic() + 5
    while not (data := endpoint.read()) and time.monotonic() < deadline:
        endpoint.wait(0.01)
    return data


def test_all_byte_values_pass_both_ways_unchanged(endpoint: Endpoint) -> None:
    every = bytes(range(256))
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(every)
        assert read_some(endpoint) == every
        assert endpoint.write(every) == 256
        assert client.read(256) == every


def test_the_first_bytes_wait_for_the_first_client(endpoint: Endpoint) -> None:
    assert endpoint.write(b"booted") == 6
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(b"?")
        assert read_some(endpoint) == b"?"
        assert client.read(6) == b"booted"


def test_bytes_sent_while_a_client_is_away_are_lost_and_the_next_one_is_served(endpoint: Endpoint) -> None:
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(b"a")
        assert read_some(endpoint) == b"a"
    deadline = time.monotonic() + 5
    while endpoint.connected() and time.monotonic() < deadline:
        endpoint.read()
    assert endpoint.write(b"lost") == 4
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(b"b")
        assert read_some(endpoint) == b"b"
        endpoint.write(b"kept")
        assert client.read(4) == b"kept"


def test_a_client_that_does_not_read_slows_the_sender_instead_of_losing_bytes(endpoint: Endpoint) -> None:
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(b"x")
        assert read_some(endpoint) == b"x"
        taken = 0
        while count := endpoint.write(bytes(65536)):
            taken += count
        assert not endpoint.wait(0.01)
        assert len(client.read(taken)) == taken


def test_waiting_ends_as_soon_as_bytes_arrive(endpoint: Endpoint) -> None:
    with serial.serial_for_url(endpoint.port, timeout=5) as client:
        client.write(b"x")
        assert read_some(endpoint) == b"x"
        assert not endpoint.wait(0.01)
        client.write(b"y")
        assert endpoint.wait(5)


def test_a_busy_tcp_port_is_refused_in_words() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        with pytest.raises(ToolError, match=f"TCP port {number} cannot be opened"):
            open_endpoint(number)
    with pytest.raises(ToolError, match="TCP port 70000 cannot be opened"):
        open_endpoint(70000)
