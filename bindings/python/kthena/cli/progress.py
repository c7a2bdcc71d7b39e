"""What is going on, on stderr: a bar where that is a terminal, a line now and then where it is not."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Progress:
    """Used by one thread. `update` may be called as often as one likes."""

    WIDTH = 24

    def __init__(self, total: int, unit: str, stream: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._start = time.monotonic()
        self._last = self._start - 60.0
        self._next_tenth = 1

    def update(self, done: int, note: str) -> None:
        now = time.monotonic()
        if self._terminal:
            if now - self._last >= 0.1:
                self._last = now
                self._draw(done, note)
        elif done * 10 >= self._next_tenth * self._total and now - self._last >= 1.0:
            self._last = now
            self._next_tenth = done * 10 // self._total + 1
            print(f"{done * 100 // self._total:3d} %  {note}", file=self._stream, flush=True)

    def _draw(self, done: int, note: str) -> None:
        share = min(done / self._total, 1.0)
        filled = int(share * self.WIDTH)
        line = f"{'█' * filled}{'░' * (self.WIDTH - filled)} {share:4.0%}  {done:,} of {self._total:,} {self._unit}"
        elapsed = time.monotonic() - self._start
        if share > 0.02 and elapsed > 1.0:
            line += f"  {max(elapsed / share - elapsed, 0):.0f} s left"
        line += f"  {note}"
        columns = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[2K" + line[: columns - 1])
        self._stream.flush()

    def close(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
