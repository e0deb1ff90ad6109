"""Opening a film or sound of evidence: named demuxers and decoders only, and bytes known to be those taken in.

FFmpeg gets a Python file object and nothing else: every protocol is refused, so a playlist or reference
inside a film leads nowhere. No decoder may start a thread (a cell has one).
"""

from __future__ import annotations

import hashlib
import pkgutil
from collections import OrderedDict
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from amparo.kit.mime import HEAD, sniff
from amparo.kit.source import Reader, Source

av.logging.set_level(None)
for _name in ("audio", "codec", "container", "filter", "sidedata", "subtitles", "video"):
    # PyAV imports these when it meets such a stream, which is too late in a cell.
    for _module in pkgutil.iter_modules(import_module(f"av.{_name}").__path__, f"av.{_name}."):
        import_module(_module.name)

IN_MEMORY = 64 << 20
"""Bytes up to which a film is read once into memory; a larger one is read twice, in blocks."""
BLOCK = 1 << 20
MOST_PIXELS = 8192 * 8192
STREAMS = 64
PROBE = 8 << 20
"""Bytes FFmpeg may look at to find out what a film holds."""

_MOV = ("video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "audio/mp4")
DEMUXERS = {
    **dict.fromkeys(_MOV, "mov"),
    "video/x-msvideo": "avi",
    "video/x-matroska": "matroska",
    "video/webm": "matroska",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "asf",
    "video/mpeg": "mpeg",
    "video/mp2t": "mpegts",
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/amr": "amr",
    "audio/amr-wb": "amr",
    "audio/x-caf": "caf",
}
"""FFmpeg's demuxer by true type; everything else is not opened."""
PICTURES = (
    "h264,hevc,vp8,vp9,vp6,vp6f,libdav1d,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,h263,h263p,flv,"
    "mjpeg,mpeg1video,mpeg2video,wmv1,wmv2,wmv3,vc1,theora,dvvideo,prores"
)
SOUNDS = (
    "aac,aac_latm,mp3float,mp3,mp2float,mp2,mp1float,opus,vorbis,amrnb,amrwb,flac,alac,speex,"
    "ac3,eac3,wmav1,wmav2,wmapro,wmalossless,wmavoice,nellymoser,gsm,gsm_ms,qcelp,evrc,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,"
    "pcm_s8,pcm_mulaw,pcm_alaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_yamaha"
)
"""Names of the only decoders that ever see evidence."""
BAD_BYTES = (
    FFmpegError,
    ValueError,
    OSError,
    EOFError,
    OverflowError,
    ArithmeticError,
    LookupError,
)
"""What FFmpeg and its binding raise on bad bytes; anything else is a fault of ours and shall be seen as one."""


@dataclass
class Opened:
    """An open film or sound and its first streams that can be decoded."""

    container: InputContainer
    demuxer: str
    video: VideoStream | None
    audio: AudioStream | None
    doubts: list[str]


def open_media(source: Source, sha256: str) -> Opened:
    """Opens what ``source`` holds; "" for ``sha256`` where nothing was taken in before.

    Raises ValueError when the bytes are not those taken in or are no film or sound we decode, and
    what FFmpeg raises on bad bytes (ValueError and OSError).
    """
    stream = unchanged(source, sha256)
    mime, demuxer = kind_of(stream, source.size)
    if not demuxer:
        raise ValueError(f"{mime}: no decoder, its frames and sounds were not looked at")
    stream.seek(0)
    options = {
        "protocol_whitelist": "",
        "format_whitelist": demuxer,
        "codec_whitelist": f"{PICTURES},{SOUNDS}",
        "probesize": str(PROBE),
        "max_streams": str(STREAMS),
        "enable_drefs": "0",
    }
    try:
        container = av.open(
            stream, format=demuxer, mode="r", options=options, buffer_size=1 << 16,
            metadata_errors="replace",
        )  # fmt: skip
    except LookupError as error:  # FFmpeg names what is not found a kind of KeyError
        raise ValueError(f"not opened: {error}") from error
    doubts: list[str] = []
    video = next((s for s in container.streams.video if _usable(s, PICTURES, doubts)), None)
    audio = next((s for s in container.streams.audio if _usable(s, SOUNDS, doubts)), None)
    return Opened(container, demuxer, video, audio, doubts)


def _usable(stream: VideoStream | AudioStream, names: str, doubts: list[str]) -> bool:
    """Whether this stream is moving pictures or sound we decode; one we do not is said."""
    # A stream without a decoder has no codec context; a cover is a picture, not a film.
    context: Any = stream.codec_context
    if stream.disposition & Disposition.attached_pic:
        return False
    name = "" if context is None else str(context.name)
    if name not in names.split(","):
        doubts.append(f"{stream.type} track {stream.index} ({name or 'unknown'}): no decoder")
        return False
    context.thread_count = 1
    context.thread_type = "NONE"
    options = {"max_pixels": str(MOST_PIXELS)}
    if stream.type == "video":
        # Frames nothing else is built on need no smoothing to be recognised.
        options["skip_loop_filter"] = "noref"
    context.options = options
    return True


def kind_of(stream: BinaryIO, size: int) -> tuple[str, str]:
    """True type and FFmpeg's demuxer, "" for none; looks behind an ID3 tag in front of a sound."""
    stream.seek(0)
    head = stream.read(HEAD)
    mime = sniff(head, size)
    demuxer = DEMUXERS.get(mime, "")
    if head[:4] == b"\x00\x00\x01\xb3":
        demuxer = "mpegvideo"
    if head[:3] == b"ID3" and len(head) >= 10:
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        stream.seek(10 + length)
        behind = sniff(stream.read(HEAD), max(1, size - length - 10))
        if behind in ("audio/flac", "audio/aac"):
            demuxer = DEMUXERS[behind]
    return mime, demuxer


def unchanged(source: Source, sha256: str) -> BinaryIO:
    """The bytes of ``source``, which are those with this hash, or Changed is raised.

    What fits into memory is read once. The rest is hashed through first, and what the decoder then
    reads is compared block by block with what went into that hash, so it cannot change in between.
    """
    if source.size <= IN_MEMORY:
        data = source.read(IN_MEMORY)
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise Changed("changed since intake: its SHA-256 is another")
        return Source.of_bytes(data).stream()
    if not sha256:
        return source.stream()
    whole, blocks, stream = hashlib.sha256(), [], source.stream()
    while block := _exactly(stream, BLOCK):
        whole.update(block)
        blocks.append(hashlib.sha256(block).digest())
    if whole.hexdigest() != sha256:
        raise Changed("changed since intake: its SHA-256 is another")
    return _Checked(source.stream(), source.size, blocks)  # type: ignore[return-value]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """The next ``size`` bytes, fewer only at the end."""
    data = stream.read(size)
    while data and len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


class Changed(ValueError):
    """The bytes are not those taken in: nothing is said of them."""


class _Checked(Reader):
    """A stream whose every block is compared with the one that was hashed."""

    def __init__(self, stream: BinaryIO, size: int, blocks: list[bytes]) -> None:
        super().__init__(size)
        self._stream = stream
        self._blocks = blocks
        self._held: OrderedDict[int, bytes] = OrderedDict()

    def bytes_at(self, at: int, want: int) -> bytes:
        """From the block ``at`` lies in; Changed when that is no longer what was hashed."""
        number, offset = divmod(at, BLOCK)
        if number not in self._held:
            self._stream.seek(number * BLOCK)
            block = _exactly(self._stream, BLOCK)
            if hashlib.sha256(block).digest() != self._blocks[number]:
                raise Changed("changed while it was read")
            self._held[number] = block
            if len(self._held) > 8:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number][offset : offset + want]
