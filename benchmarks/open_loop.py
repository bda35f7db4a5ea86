"""An open-loop load: calls arrive at a fixed rate, whatever has become of those before.

A latency counts from the moment a call was to arrive, so that a stall of the server, or of this
client, is seen in every call that it held up (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

GIVE_UP_S = 15.0


@dataclass(frozen=True, slots=True)
class Call:
    """One POST; `tag` is whatever the caller wants to know of it when the answer is there."""

    path: str
    body: bytes
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a call; status 0 means that there was no answer."""

    call: Call
    due_s: float
    latency_s: float
    status: int
    body: bytes = b""
    retry_after: str | None = None
    late_s: float = 0.0
    """How much later than planned this client sent it."""


class _Dropped(Exception):
    """The server ended a kept connection before it had read the call."""


@dataclass(slots=True)
class Client:
    """Sends calls to one port of this machine over kept connections, as many as are needed."""

    port: int
    in_flight: int = 0
    opened: int = 0
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def run(
        self,
        calls: Iterator[Call],
        rate: float,
        seconds: float,
        on_answer: Callable[[Answered], None],
    ) -> None:
        """Sends `rate` calls a second and returns when the last one is answered."""
        began = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(round(rate * seconds)):
            due = began + number / rate
            call = next(calls)
            pause = due - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            task = asyncio.create_task(self._send(call, due, on_answer))
            tasks.add(task)
            for done in [task for task in tasks if task.done()]:
                tasks.discard(done)
                done.result()  # an error of the caller's own must not be lost
        await asyncio.gather(*tasks)

    def close(self) -> None:
        """Ends the kept connections."""
        for _, writer in self._free:
            writer.close()
        self._free.clear()

    async def _send(self, call: Call, due: float, on_answer: Callable[[Answered], None]) -> None:
        sent = time.monotonic()
        self.in_flight += 1
        status, body, retry_after = 0, b"", None
        try:
            async with asyncio.timeout(GIVE_UP_S):
                status, body, retry_after = await self._exchange(call)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            body = repr(error).encode()
        finally:
            self.in_flight -= 1
        late, took = sent - due, time.monotonic() - due
        on_answer(Answered(call, due, took, status, body, retry_after, late))

    async def _exchange(self, call: Call) -> tuple[int, bytes, str | None]:
        while self._free:
            kept = self._free.pop()
            try:
                return await self._over(kept, call, is_kept=True)
            except _Dropped:
                kept[1].close()
        self.opened += 1
        return await self._over(
            await asyncio.open_connection("127.0.0.1", self.port), call, is_kept=False
        )

    async def _over(
        self,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        call: Call,
        *,
        is_kept: bool,
    ) -> tuple[int, bytes, str | None]:
        reader, writer = connection
        head = (
            f"POST {call.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(call.body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + call.body)
            start = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if is_kept and not getattr(error, "partial", b""):
                raise _Dropped from None
            writer.close()
            raise
        except BaseException:
            writer.close()
            raise
        lines = start.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._free.append(connection)
        return int(lines[0].split(" ", 2)[1]), body, headers.get("retry-after")
