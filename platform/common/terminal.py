"""The output of several processes on one terminal, line by line, without anybody waiting for it."""

import codecs
import contextlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)

_MAX_LINE = 8_192
_QUEUED_LINES = 10_000


class Terminal:
    """Writes lines to a file descriptor from a thread, so that nobody waits for a slow terminal.

    When the reader stalls, lines are dropped and counted; when it is gone, all are.
    """

    def __init__(self, fd: int, width: int) -> None:
        self._fd = fd
        self._width = width
        self._was_terminal = os.isatty(fd)
        self._colours = self._was_terminal and not os.environ.get("NO_COLOR")
        self._lines: queue.Queue[str | None] = queue.Queue(_QUEUED_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="terminal")
        self._thread.start()

    def line(self, name: str, text: str, colour: int | None = None) -> None:
        """Queue one line with its prefix."""
        prefix = f"{name:<{self._width}} |"
        if self._colours:
            prefix = f"\033[{colour or 1}m{prefix}\033[0m"
        self.raw(f"{prefix} {text}\n")

    def raw(self, text: str) -> None:
        """Queue text as it is."""
        if self._dropped:
            text = f"... {self._dropped} lines not shown: the terminal was too slow\n{text}"
        try:
            self._lines.put_nowait(text)
            self._dropped = 0
        except queue.Full:
            self._dropped += 1

    def is_gone(self) -> bool:
        """Whether this was a terminal that has been closed since."""
        return self._was_terminal and not os.isatty(self._fd)

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued, but wait no longer than `timeout` for it."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=timeout)
        self._thread.join(timeout)

    def _write_all(self) -> None:
        # Not through sys.stdout: a daemon thread stuck inside its lock aborts the interpreter.
        while (text := self._lines.get()) is not None:
            data = text.encode(errors="replace")
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    time.sleep(0.05)
                except OSError:
                    return  # nobody reads any more; line() goes on dropping


class LineSplitter:
    """Cuts a stream of bytes into lines, and very long lines into pieces."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        """Take bytes, emit the lines they complete. Progress bars (`\\r`) are lines too."""
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + self._decoder.decode(data))
        for line in lines:
            self._pieces(line)
        if len(self._rest) > _MAX_LINE:
            self.flush()

    def flush(self) -> None:
        """Emit what has come of a line that isn't complete."""
        rest, self._rest = self._rest, ""
        self._pieces(rest)

    def _pieces(self, line: str) -> None:
        for start in range(0, len(line), _MAX_LINE):
            self._emit(line[start : start + _MAX_LINE])
