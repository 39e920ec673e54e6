"""Curves over the waveform of speech, drawn as a picture to be read at a glance.

Tracks lie under each other on one time axis. Shapes: S samples, P pixel columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

OVERSAMPLING = 2  # drawn this much larger, then reduced, for smooth edges
SMALLEST = (256, 160)  # width, height: below, the labels do not fit

INK = (232, 234, 237)
FAINT = (150, 154, 160)
RULE = (58, 61, 66)
PAPER = (27, 28, 31)
SPEECH_COLOUR = (190, 194, 200)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One curve over time."""

    label: str
    low: np.ndarray  # [P] smallest value in each pixel column
    high: np.ndarray  # [P] largest
    span: tuple[float, float]  # values at the track's bottom and top
    note: str  # at its right
    colour: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said, each sentence where it is said."""

    label: str
    sentences: Sequence[tuple[float, float, str]]  # start_s, end_s, text
    note: str  # at its right
    colour: tuple[int, int, int]


def speech_track(waveform: Tensor, sample_rate: int | None, sheet: Sheet) -> Track:
    """The waveform as a track.

    Args:
        waveform: [..., S], channels share one outline.
        sample_rate: In Hz.
        sheet: Where it is to be drawn.

    Raises:
        ValueError: The waveform comes without a sample rate.
    """
    if not sample_rate or sample_rate <= 0:
        raise ValueError("'audio' comes without a sample rate. Give 'sample_rate' in Hz.")
    samples = waveform.detach().cpu().float().reshape(-1, waveform.shape[-1]).nan_to_num()
    times = np.arange(samples.shape[1]) / sample_rate
    low, high = sheet.columns(times, samples.amin(0).numpy(), samples.amax(0).numpy())
    past = sheet.times > (times[-1] if times.size else 0.0)
    low[past], high[past] = 0.0, 0.0
    peak = float(max(high.max(), -low.min()))
    shown = peak if peak > 1e-3 else 1.0
    note = f"peak {20 * math.log10(peak):.0f} dB" if peak > 1e-3 else "silent"
    return Track(
        label="Speech", low=low, high=high, span=(-shown, shown), note=note, colour=SPEECH_COLOUR
    )


class Sheet:
    """The picture's geometry: time to columns, tracks to rows.

    Raises:
        ValueError: The picture would be too small to read.
    """

    def __init__(self, width: int, height: int, seconds: float) -> None:
        if width < SMALLEST[0] or height < SMALLEST[1]:
            raise ValueError(
                f"'width' × 'height' is {width}×{height}; labels need at least "
                f"{SMALLEST[0]}×{SMALLEST[1]} pixels. Use a larger picture."
            )
        self.width, self.height = width * OVERSAMPLING, height * OVERSAMPLING
        unit = min(self.width / 1024, self.height / 768)  # px per px of the standard size
        self.line = max(1.0, unit)
        self.text = max(8.0 * OVERSAMPLING, 15 * unit)
        self.left, self.right = round(self.text * 8.4), round(self.width - self.text * 5.6)
        self.top, self.bottom = round(self.text * 2.2), round(self.height - self.text * 0.8)
        self.seconds = seconds
        count = self.right - self.left
        self.times = (np.arange(count) + 0.5) * seconds / count  # [P] s

    def columns(
        self, times: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value in each pixel column, linear between sparse values, [P]."""
        if times.size == 0:
            return np.zeros_like(self.times), np.zeros_like(self.times)
        least, most = np.interp(self.times, times, low), np.interp(self.times, times, high)
        count = self.times.size
        index = np.clip((times / self.seconds * count).astype(int), 0, count - 1)
        inside = times < self.seconds
        np.minimum.at(least, index[inside], low[inside])
        np.maximum.at(most, index[inside], high[inside])
        return least, most

    def draw(self, groups: Sequence[tuple[float, Sequence[Track | Words]]]) -> Tensor:
        """The finished picture, [1, H, W, 3]."""
        image = Image.new("RGB", (self.width, self.height), PAPER)
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(self.text)
        small = ImageFont.load_default(self.text * 0.82)
        self._axis(draw, small)
        gap = self.text * 0.9
        share = sum(size * len(tracks) for size, tracks in groups)
        row = (self.bottom - self.top - gap * (len(groups) - 1)) / share
        y = float(self.top)
        for size, tracks in groups:
            edge = self.text * 0.6
            colour = tracks[0].colour
            draw.rectangle(
                (edge * 0.5, y, edge * 0.5 + 3 * self.line, y + row * size * len(tracks)), colour
            )
            for track in tracks:
                middle = y + row * size / 2
                draw.text((edge * 1.6, middle), track.label, INK, font, anchor="lm")
                draw.text((self.right + edge, middle), track.note, FAINT, small, anchor="lm")
                if isinstance(track, Words):
                    self._words(draw, track, y, y + row * size, small)
                else:
                    self._track(draw, track, y, y + row * size)
                y += row * size
            draw.line((self.left, y, self.right, y), RULE, round(self.line))
            y += gap
        size_out = (self.width // OVERSAMPLING, self.height // OVERSAMPLING)
        pixels = np.array(image.resize(size_out, Image.Resampling.BOX))
        return torch.from_numpy(pixels).float()[None] / 255

    def _axis(
        self, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    ) -> None:
        """Seconds along the top, with a rule down the sheet at each label."""
        room = self.text * 4
        steps = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
        count = self.right - self.left
        step = next(s for s in steps if s / self.seconds * count >= room or s == steps[-1])
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        for index in range(math.floor(self.seconds / step + 1e-6) + 1):
            x = self.left + index * step / self.seconds * count
            draw.line((x, self.top, x, self.bottom), RULE, round(self.line))
            label = f"{index * step:.{places}f} s"
            draw.text((x, self.top - self.text * 0.5), label, FAINT, font, anchor="mb")

    def _track(self, draw: ImageDraw.ImageDraw, track: Track, top: float, bottom: float) -> None:
        """One curve: filled between its values, with the line of 0 and the upper edge drawn."""
        pad = (bottom - top) * 0.1
        top, bottom = top + pad, bottom - pad
        base, peak = track.span
        scale = (bottom - top) / (peak - base)
        zero = bottom + base * scale
        draw.line((self.left, zero, self.right, zero), RULE, round(self.line))
        high = bottom - (np.clip(track.high, base, peak) - base) * scale
        low = bottom - (np.clip(track.low, base, peak) - base) * scale
        x = self.left + np.arange(high.size) + 0.5
        signed = base < 0
        upper = np.minimum(high, zero) if signed else high
        lower = np.maximum(low, zero) if signed else low
        fill = tuple(round(p + (c - p) * 0.45) for c, p in zip(track.colour, PAPER, strict=True))
        for edge in (upper, lower) if signed else (upper,):
            outline = [(self.left, zero), *zip(x, edge, strict=True), (self.right, zero)]
            draw.polygon(outline, fill)
        width = max(1, round(1.5 * self.line))
        for edge in (high, low) if signed else (high,):
            draw.line(list(zip(x, edge, strict=True)), track.colour, width, joint="curve")

    def _words(
        self,
        draw: ImageDraw.ImageDraw,
        words: Words,
        top: float,
        bottom: float,
        font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    ) -> None:
        """Sentences in boxes as wide as they last, cut off with … where they do not fit."""
        line = self.text * 1.05
        lines = max(1, int((bottom - top) / line))
        for start, end, text in words.sentences:
            x, stop = (
                self.left + min(max(t, 0.0) / self.seconds, 1.0) * (self.right - self.left)
                for t in (start, end)
            )
            draw.line((x, top, x, bottom), words.colour, round(self.line))
            room = stop - x - self.text * 0.5
            said = wrap(text, room, lines, lambda part: draw.textlength(part, font))
            first = (top + bottom - line * (len(said) - 1)) / 2
            for number, part in enumerate(said):
                place = (x + self.text * 0.3, first + number * line)
                draw.text(place, part, INK, font, anchor="lm")


def wrap(text: str, room: float, lines: int, length: Callable[[str], float]) -> list[str]:
    """Text in at most some lines of some room, the last one cut off with … where it must be.

    Args:
        text: Words with spaces between.
        room: Of each line, in the units of `length`.
        lines: How many there may be.
        length: How long a text is.
    """
    out: list[str] = []
    words = text.split()
    while words and len(out) < lines:
        count = len(words)
        while count > 1 and length(" ".join(words[:count])) > room:
            count -= 1
        out.append(" ".join(words[:count]))
        words = words[count:]
    if out and (words or length(out[-1]) > room):
        last = out[-1]
        while last and length(last + "…") > room:
            last = last[:-1]
        out[-1] = last + "…" if last else ""
    return [line if length(line) <= room else "" for line in out]
