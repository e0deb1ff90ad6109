"""The sound of a film or recording on its way to its fingerprint: mixed to one channel, 11025 samples a second."""

from __future__ import annotations

from av import AudioFrame
from av.error import BlockingIOError, EOFError
from av.filter import Graph

from amparo.fingerprint.audio_print import HERTZ, Chromaprint

OFTEN, AT_ONCE = 32, 16384
"""Frames pushed before anything is pulled, and samples pulled at once: crossing over costs more than the work."""
_EMPTY = (BlockingIOError, EOFError)


class Sound:
    """Takes decoded frames of one sound track in order; a change of rate or channels in between is followed."""

    def __init__(self) -> None:
        self.print = Chromaprint()
        self._graph: Graph | None = None
        self._form: tuple[str, str, int] = ("", "", 0)
        self._pushed = 0

    def take(self, frame: AudioFrame) -> None:
        """One decoded frame. Raises what FFmpeg raises for one that cannot be converted."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._graph is None or form != self._form:
            self.end()
            self._graph, self._form = _converter(frame), form
        self._graph.push(frame)
        self._pushed += 1
        if self._pushed % OFTEN == 0:
            self._pull()

    def end(self) -> None:
        """Take what the converter still holds."""
        if self._graph is not None:
            self._graph.push(None)
            self._pull()
            self._graph = None

    def _pull(self) -> None:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except _EMPTY:
                return
            if isinstance(frame, AudioFrame):
                self.print.feed(frame.to_ndarray()[0])

    @property
    def duration(self) -> int:
        """Milliseconds taken so far."""
        return self.print.samples * 1000 // HERTZ


def _converter(frame: AudioFrame) -> Graph:
    """From this form of frames to mono, 16 bits; without threads of its own, which a cell has not."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base,
    )
    form = graph.add("aformat", sample_rates=str(HERTZ), sample_fmts="s16", channel_layouts="mono")
    gather = graph.add("asetnsamples", n=str(AT_ONCE), p="0")
    sink = graph.add("abuffersink")
    source.link_to(form)
    form.link_to(gather)
    gather.link_to(sink)
    graph.configure()
    return graph
