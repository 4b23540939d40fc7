"""A job's log: whole lines, also of progress bars, which write over their own line."""

import io
import time
from typing import TextIO

EVERY_SECONDS = 60
"""A bar's state is kept at its end, and so often before."""


class LogLines(io.TextIOBase):
    """Writes to a log what would stay on a terminal: of a line that is written over, the last."""

    def __init__(self, file: TextIO):
        self._file = file
        self._line = ""
        self._kept = time.monotonic()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take text; what follows a carriage return replaces the line before it."""
        *whole, rest = text.split("\n")
        for part in whole:
            self._take(part)
            self._end()
        self._take(rest)
        return len(text)

    def flush(self) -> None:
        """Hand what is complete on."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Write what has no line end yet; the file stays open."""
        if self._line and not self.closed:
            self._end()
        super().close()

    def _take(self, text: str) -> None:
        first, *others = text.split("\r")
        self._line += first
        for part in others:
            if self._line and time.monotonic() - self._kept >= EVERY_SECONDS:
                self._end()
            # A bar begins with an empty line.
            self._line = part or self._line

    def _end(self) -> None:
        self._file.write(f"{self._line.rstrip()}\n")
        self._line, self._kept = "", time.monotonic()
