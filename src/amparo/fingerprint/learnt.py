"""A model an agency registered, run on one picture, or on frames of one film, inside a cell. No model comes with Amparo.

The model's file and its card lie beside the content as companions ``0`` and ``1``
(:mod:`amparo.run.models`). The file is not trusted either: it is parsed and run here, in the cell, by
onnxruntime on one thread of the processor, without libraries of further operators and without data outside
the file, for which the cell has no file system anyway. onnxruntime is optional and imported by the warm
parent, so nothing here imports it when the module is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from PIL import Image

from amparo.fingerprint.decode import BAD_BYTES as UNREADABLE
from amparo.fingerprint.decode import LARGEST, UNDECODED, decode, orientation_of
from amparo.fingerprint.pixels import upright
from amparo.fingerprint.video_frames import tile
from amparo.fingerprint.video_open import BAD_BYTES, Changed, open_media
from amparo.fingerprint.video_places import evenly
from amparo.kit.card import CLASSIFIER, Card, read_card
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.source import Source
from amparo.model import ModelScore, ModelVector

FRAMES = 32
"""Frames of a film that a classifier looks at, evenly spread over it."""
LOOKING = 120.0
"""Seconds they may take together; a film that takes longer is looked at more coarsely."""
LARGEST_MODEL = 512 << 20
"""Bytes of a model's file; a cell holds it about three times while it is loaded."""
MOST_NUMBERS = 4096
"""Numbers a descriptor may have."""

Floats = NDArray[np.float32]


class Loaded(NamedTuple):
    """A model ready to run."""

    session: Any
    takes: str
    gives: str


_loaded: dict[str, Loaded] = {}
"""The one model of this cell, by its SHA-256; a cell's jobs are all of one plugin."""


def apply(source: Source, found: Found) -> Iterator[ModelScore | ModelVector]:
    """What a registered model says of a content: a score for each label, or a vector to compare.

    A classifier takes films too, of which it gives each label's highest score and where in the film that is.
    Raises ValueError when the content is not the one taken in, when the model's file is not the one
    registered, and when the model gives something else than its card says. What does not decode gives
    nothing; its own reading says so.
    """
    said = json.loads(source.companions["1"].read())
    card = read_card(said["card"])
    model = _model(said["sha256"], source.companions["0"])
    if card.kind == CLASSIFIER:
        yield from _classified(model, card, source, found)
        return
    picture = _picture(source, found, card)
    if picture is None:
        return
    numbers = _numbers(model, picture)
    if (length := float(np.linalg.norm(numbers))) > 1e-12:  # a vector of nought has no direction
        value = (numbers / length).astype("<f2").tobytes()
        yield ModelVector(content=found.content, model="", value=value)


def _classified(model: Loaded, card: Card, source: Source, found: Found) -> Iterator[ModelScore]:
    """The highest score of each label over everything there is to look at, the earliest of equal ones."""
    best: dict[str, tuple[float, int | None]] = {}
    for moment, picture in _seen(source, found, card):
        scores = _scores(_numbers(model, picture), card)
        for label, score in zip(card.labels, scores, strict=True):
            score = round(score, 6)
            if label.name not in best or score > best[label.name][0]:
                best[label.name] = score, moment
    for name, (score, moment) in best.items():
        yield ModelScore(content=found.content, model="", label=name, score=score, moment=moment)


def _numbers(model: Loaded, picture: Floats) -> NDArray[np.float64]:
    """What the model gives for one picture."""
    numbers = np.asarray(model.session.run([model.gives], {model.takes: picture})[0])
    if numbers.dtype.kind != "f" or numbers.size > MOST_NUMBERS:
        raise ValueError(f"the model gives {numbers.size} numbers of type {numbers.dtype}")
    flat = numbers.ravel().astype(np.float64)
    if not np.isfinite(flat).all():
        raise ValueError("the model gives numbers that are none")
    return flat


def _model(sha256: str, file: Source) -> Loaded:
    if sha256 not in _loaded:
        import onnxruntime

        data = file.read(LARGEST_MODEL)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("the model's file is not the one that was registered")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        takes, gives = session.get_inputs(), session.get_outputs()
        if len(takes) != 1 or takes[0].type != "tensor(float)" or not gives:
            raise ValueError("the model does not take one picture of float32")
        _loaded.clear()
        _loaded[sha256] = Loaded(session, takes[0].name, gives[0].name)
    return _loaded[sha256]


def _seen(source: Source, found: Found, card: Card) -> Iterator[tuple[int | None, Floats]]:
    """The picture, or frames of the film, each with its milliseconds, as the model takes them."""
    mime = sniff(source.stream().read(HEAD), source.size)
    if mime.startswith("video/"):
        yield from _frames(source, found, card)
    elif (picture := _picture(source, found, card)) is not None:
        yield None, picture


def _frames(source: Source, found: Found, card: Card) -> Iterator[tuple[int | None, Floats]]:
    """Frames evenly spread over a film, upright."""
    try:
        opened = open_media(source, found.sha256)
    except Changed:
        raise
    except (MemoryError, *BAD_BYTES) as error:
        if isinstance(error, OSError) and not isinstance(error, FFmpegError):
            raise  # the evidence could not be read
        return
    for moment, frame in evenly(opened, FRAMES, LOOKING):
        try:
            small = tile(frame, 2 * card.input.side)
        except BAD_BYTES:
            continue
        yield moment, _squeezed(Image.fromarray(small), card)


def _picture(source: Source, found: Found, card: Card) -> Floats | None:
    """The picture as the model takes it."""
    data = source.read(LARGEST)
    if found.sha256 and hashlib.sha256(data).hexdigest() != found.sha256:
        raise ValueError("changed since intake: its SHA-256 is another")
    mime = sniff(data[:HEAD], len(data))
    if mime in UNDECODED:
        return None
    side = card.input.side
    try:
        decoded = decode(data, mime, side)
    except (MemoryError, *UNREADABLE):
        return None
    seen = upright(decoded.image, orientation_of(decoded, data, mime), 2 * side)
    return _squeezed(Image.fromarray(seen), card)


def _squeezed(small: Image.Image, card: Card) -> Floats:
    """An upright RGB picture as the model takes it, float32[1, 3, side, side] or [1, side, side, 3]."""
    side = card.input.side
    pixels = np.asarray(small.resize((side, side)), np.float32) / 255
    pixels = (pixels - np.array(card.input.mean, np.float32)) / np.array(card.input.std, np.float32)
    if card.input.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[None], np.float32)


def _scores(numbers: NDArray[np.float64], card: Card) -> list[float]:
    """A score of 0 to 1 for each label."""
    if numbers.size != len(card.labels):
        raise ValueError(f"the model gives {numbers.size} numbers for {len(card.labels)} labels")
    if card.output == "softmax":
        numbers = np.exp(numbers - numbers.max())
        numbers /= numbers.sum()
    elif card.output == "sigmoid":
        numbers = 1 / (1 + np.exp(-np.clip(numbers, -700, 700)))
    if numbers.min() < 0 or numbers.max() > 1:
        raise ValueError("the model gives no probabilities, as its card says it does")
    scores: list[float] = numbers.tolist()
    return scores
