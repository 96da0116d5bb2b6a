"""Following a run on the device to its end, serving the rows it waits for."""

from __future__ import annotations

from tinyanime.host.link.exchange import Exchange
from tinyanime.host.link.failures import NoReplyError
from tinyanime.host.link.messages import (
    DoneEvent,
    Kind,
    MessageError,
    ProgressEvent,
    Rows,
    State,
    Status,
    StatusReply,
    WaitingEvent,
    rows_of,
)
from tinyanime.host.link.rows import RowExchange
from tinyanime.host.link.transfer import Progress

_News = DoneEvent | ProgressEvent | WaitingEvent


def ask_status(exchange: Exchange, run: int, attempts: int | None = None) -> StatusReply:
    """Where run `run` stands. Raises NoReplyError, DeviceResetError where the device does not know it."""
    payload = exchange.ask(Status(run), attempts=attempts, reply_bytes=128)
    try:
        return StatusReply.unpack(payload)
    except MessageError as error:
        raise exchange.unreadable(error) from error


class RunWatch:
    """Follows the events of run `run`, asking for STATUS in silence; `rows` is None where nothing is streamed."""

    def __init__(self, exchange: Exchange, run: int, rows: RowExchange | None, progress: Progress) -> None:
        self._exchange = exchange
        self._run = run
        self._rows = rows
        self._progress = progress
        self._steps_done = -1

    def until_done(self) -> DoneEvent:
        """How the run ended, well or not. Raises NoReplyError where nothing new is heard for `Timing.silence_s`, or
        until the tries to exchange rows are over where that takes longer."""
        exchange, timing = self._exchange, self._exchange.timing
        heard = exchange.transport.now()
        while True:
            news = self._next(timing.poll_s if self._rows is None else timing.streamed_poll_s)
            if isinstance(news, DoneEvent) and news.run == self._run:
                return news
            if news is not None and self._is_new(news):
                heard = exchange.transport.now()
            elif exchange.transport.now() - heard > timing.silence_s:
                raise exchange.no_reply()

    def _is_new(self, news: _News) -> bool:
        """Act on what an event says; whether the run has moved on since the last one."""
        if news.run != self._run or isinstance(news, DoneEvent):
            return False
        moved = news.steps_done > self._steps_done
        if moved:
            self._steps_done = news.steps_done
            self._progress(news.steps_done, news.step_count)
        if isinstance(news, WaitingEvent):
            moved = self._serve(rows_of(news)) or moved
        return moved

    def _serve(self, rows: Rows) -> bool:
        """Exchange `rows`; whether anything was. A device that answers no more may have got all, the answer lost, and
        compute: what it says next tells, and `until_done` ends the wait."""
        try:
            return self._rows is not None and self._rows.serve(rows)
        except NoReplyError:
            return False

    def _next(self, silence_s: float) -> _News | None:
        """The next event, after `silence_s` without one what STATUS says; None for neither."""
        event = self._exchange.wait_event(self._exchange.deadline(silence_s))
        if event is None:
            return self._poll()
        try:
            if event.type == Kind.DONE:
                return DoneEvent.unpack(event.payload)
            if event.type == Kind.WAITING:
                return WaitingEvent.unpack(event.payload)
            return ProgressEvent.unpack(event.payload)
        except MessageError as error:
            raise self._exchange.unreadable(error) from error

    def _poll(self) -> _News | None:
        """Where the run stands, None where the device is too busy to say."""
        try:
            reply = ask_status(self._exchange, self._run, attempts=1)
        except NoReplyError:
            return None
        if reply.run == self._run and reply.state in (State.DONE, State.FAILED):
            return DoneEvent(
                reply.run,
                reply.status,
                reply.steps_done,
                reply.total_cycles,
                reply.stall_cycles,
                reply.output_crc,
                reply.failed_layer,
            )
        if reply.state == State.WAITING:
            rows = rows_of(reply)
            return WaitingEvent(
                reply.run,
                reply.steps_done,
                reply.step_count,
                rows.input_begin,
                rows.input_end,
                rows.output_begin,
                rows.output_end,
            )
        return ProgressEvent(reply.run, reply.steps_done, reply.step_count)
