"""Progress for people: files/s, MB/s and time left, on standard error."""

from __future__ import annotations

import sys
import time
from typing import TextIO


def span(seconds: float) -> str:
    """Seconds as people say them: ``42 s``, ``3 min 10 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """One line per piece of work, rewritten in place on a terminal, else every ten seconds."""

    def __init__(self, out: TextIO | None = None, quiet: bool = False) -> None:
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._quiet = quiet
        self._name = ""
        self._total: int | None = 0
        self.begin("", 0)

    def begin(self, name: str, total: int | None) -> None:
        """Start a piece of work of ``total`` subjects (None: not known beforehand)."""
        self._name, self._total = name, total
        self._started = self._shown = time.monotonic()
        self._done = self._bytes = 0

    def step(self, subjects: int, size: int = 0) -> None:
        """Count finished subjects and their bytes."""
        self._done += subjects
        self._bytes += size
        now = time.monotonic()
        if now - self._shown >= (0.2 if self._live else 10):
            self._shown = now
            self._show(now)

    def _show(self, now: float) -> None:
        if self._quiet:
            return
        seconds = max(now - self._started, 1e-6)
        rate = self._done / seconds
        text = f"  {self._name}: {self._done:,}"
        if self._total is not None:
            text += f" of {self._total:,}"
        text += f" · {rate:,.0f} files/s"
        if self._bytes:
            text += f" · {self._bytes / seconds / 1e6:,.1f} MB/s"
        if self._total and self._done:
            text += f" · {span((self._total - self._done) / rate)} left"
        self._out.write(f"\r\033[K{text}" if self._live else text + "\n")
        self._out.flush()

    def end(self) -> None:
        """Close the line with what was done."""
        if not self._quiet and self._done:
            if self._live:
                self._out.write("\r\033[K")
            seconds = time.monotonic() - self._started
            rate = self._done / max(seconds, 1e-6)
            self._out.write(f"  {self._name}: {self._done:,} in {span(seconds)} ({rate:,.0f}/s)\n")
            self._out.flush()
        self._done = 0

    def say(self, text: str) -> None:
        """One line of its own."""
        if not self._quiet:
            self._out.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")
            self._out.flush()
