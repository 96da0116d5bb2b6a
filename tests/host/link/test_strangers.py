"""Ports with something else behind them: each is told from the others."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.simulated_device import SimulatedDevice
from tinyanime.codegen.errors import LinkError
from tinyanime.host.link import messages as m
from tinyanime.host.link.client import Device
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame
from tinyanime.host.link.transport import Transport


class Stranger(Transport):
    """Answers what `answer` makes of the bytes written; its clock moves only while the host waits."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.name = "stranger"
        self.baud = 0
        self.time = 0.0
        self._answer = answer
        self._sent = b""

    def read(self, timeout_s: float) -> bytes:
        sent, self._sent = self._sent, b""
        self.time += timeout_s if not sent else 0.001
        return sent

    def write(self, data: bytes) -> None:
        self._sent += self._answer(data)

    def close(self) -> None:
        """Nothing to give back."""

    def reopen(self) -> None:
        """Never goes away."""

    def now(self) -> float:
        return self.time


def answering(make: Callable[[Frame], Frame]) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(encode_frame(make(frame)) for frame in FrameReader().feed(data))


noise = random.Random(5)
STRANGERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "silence": (lambda _: b"", "nothing was received"),
    "echo": (lambda data: data, "only echoes"),
    "noise": (lambda _: noise.randbytes(200), "another device"),
    "terminal": (lambda _: b"login: \r\n", "another device"),
    "zeros": (lambda _: bytes(50), "another device"),
    "foreign frames": (answering(lambda _: Frame(m.Kind.PROGRESS, 0, bytes(8))), "does not answer"),
    "newer, error": (
        answering(lambda f: Frame(m.Kind.ERROR, f.sequence, m.Error(1, 3).pack(), version=3)),
        "speaks version 3",
    ),
    "newer, silent about it": (
        answering(lambda f: Frame(f.type | 0x80, f.sequence, b"", version=9)),
        "speaks version 9",
    ),
    "refusing": (answering(lambda f: Frame(m.Kind.ERROR, f.sequence, m.Error(2, 1).pack())), "requests of type 1"),
    "empty hello": (answering(lambda f: Frame(f.type | 0x80, f.sequence)), "cannot read"),
    "empty error": (answering(lambda f: Frame(m.Kind.ERROR, f.sequence)), "cannot read"),
    "unknown error": (answering(lambda f: Frame(m.Kind.ERROR, f.sequence, m.Error(999, 5).pack())), "error 999"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_named_in_one_sentence_with_a_hint(name: str) -> None:
    answer, sentence = STRANGERS[name]
    stranger = Stranger(answer)
    with pytest.raises(LinkError, match=sentence) as caught:
        Device(stranger).hello()
    assert caught.value.hint
    assert caught.value.message.count("\n") == 0
    assert stranger.time < 10.0


def test_the_sentences_of_silence_echo_noise_and_version_differ() -> None:
    sentences = set()
    for name in ("silence", "echo", "noise", "newer, error", "foreign frames"):
        with pytest.raises(LinkError) as caught:
            Device(Stranger(STRANGERS[name][0])).hello()
        sentences.add(caught.value.message)
    assert len(sentences) == 5


def test_a_hello_among_boot_messages_is_found() -> None:
    device = SimulatedDevice()
    inner = device.read

    def noisy(timeout_s: float) -> bytes:
        return b"\r\nboot 1.0\r\n\x07" + inner(timeout_s)

    device.read = noisy  # type: ignore[method-assign]
    assert Device(device).hello().board == "posix"
