"""Rows of a streamed picture, exchanged while the network runs (docs/link.md, "Streamed pictures")."""

from __future__ import annotations

from tinyanime.host.link.device_info import DeviceInfo
from tinyanime.host.link.exchange import Exchange
from tinyanime.host.link.messages import MessageError, Rows, Take, TakeReply
from tinyanime.host.link.results import Phase, PhaseProgress
from tinyanime.host.link.transfer import Download, Upload, output_source


class RowExchange:
    """What one run has of its streamed input and has given of its streamed output.

    `upload` is None where the input is not streamed: then it lies in the device's memory as a whole.
    """

    def __init__(
        self, exchange: Exchange, info: DeviceInfo, run: int, upload: Upload | None, progress: PhaseProgress
    ) -> None:
        self._exchange = exchange
        self._info = info
        self._run = run
        self._upload = upload
        self._progress = progress
        self._streams_output = info.output.window_bytes > 0
        self._download = Download(exchange, info, output_source(info, run))
        self._taken = 0
        if self._streams_output:
            progress(Phase.DOWNLOAD, 0, info.output.size_bytes)

    def serve(self, rows: Rows) -> bool:
        """Send and take what `rows` names; False where all of that has been exchanged before (old news).

        Raises LinkError: DeviceResetError where the device gave the run up, NoReplyError where it fell silent.
        """
        if rows.input_end > self._info.input.size_bytes or rows.output_end > self._info.output.size_bytes:
            raise self._exchange.unreadable(MessageError(f"rows beyond the picture: {rows}"))
        fed, taken = self._feed(rows.input_end), self._take(rows.output_end)
        return fed or taken

    def output(self, crc: int) -> bytes:
        """The whole output once the run is done: fetches what is left and checks the CRC-32 `crc` of all.

        Raises DeviceResetError where it does not match.
        """
        self._fetch(self._info.output.size_bytes)
        return self._download.checked(crc)

    def _feed(self, end: int) -> bool:
        upload = self._upload
        if upload is None or upload.acknowledged >= end:
            return False
        upload.send(end, lambda done, total: self._progress(Phase.UPLOAD, done, total))
        return True

    def _take(self, end: int) -> bool:
        if not self._streams_output or self._taken >= end:
            return False
        self._fetch(end)
        reply = TakeReply.unpack(self._exchange.ask(Take(self._run, end)))
        if reply.run != self._run or reply.taken < end:
            raise self._exchange.unreadable(MessageError(f"answer to another run, or {reply.taken} bytes taken"))
        self._taken = end
        return True

    def _fetch(self, end: int) -> None:
        self._download.fetch(end, lambda done, total: self._progress(Phase.DOWNLOAD, done, total))
