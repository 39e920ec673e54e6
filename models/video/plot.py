"""The motion of a face drawn over its speech, as a picture to be read at a glance.

One track per movement, under the waveform and on the same time axis. Shapes: T video frames, S
samples, P pixel columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..speech import exact_fps, frame_times
from ..types import ARKIT_INDEX, Motion

OVERSAMPLING = 2  # drawn this much larger, then reduced, for smooth edges
SMALLEST = (256, 160)  # width, height: below, the labels do not fit

INK = (232, 234, 237)
FAINT = (150, 154, 160)
RULE = (58, 61, 66)
PAPER = (27, 28, 31)
# Of the palette of Okabe and Ito, told apart with any colour vision.
SPEECH_COLOUR = (190, 194, 200)
LIPS_COLOUR = (230, 159, 0)
EYES_COLOUR = (86, 180, 233)
HEAD_COLOUR = (0, 178, 130)

# Track → the coefficients of which the largest is drawn; a pair is averaged over left and right.
LIPS = {
    "Jaw open": ("jawOpen",),
    "Close, press": ("mouthClose", "mouthPress", "mouthRollLower"),
    "Pucker, funnel": ("mouthPucker", "mouthFunnel"),
    "Smile": ("mouthSmile",),
}
EYES = {
    "Blink": ("eyeBlink",),
    "Brows up": ("browInnerUp", "browOuterUp"),
    "Brows down": ("browDown",),
}
HEAD = ("Pitch, + down", "Yaw, + right", "Roll, + left")


@dataclass(frozen=True, kw_only=True)
class _Track:
    label: str
    low: np.ndarray  # [P] smallest value in each pixel column
    high: np.ndarray  # [P] largest
    span: tuple[float, float]  # values at the track's bottom and top
    note: str  # at its right
    colour: tuple[int, int, int]


def motion_plot(
    motion: Motion,
    waveform: Tensor | None,
    sample_rate: int | None,
    width: int = 1024,
    height: int = 768,
) -> Tensor:
    """A picture of lips, eyes, brows and head over time, [1, H, W, 3] 0..1.

    Coefficients stand on a scale from 0 to 1, rotations in degrees on one scale for all three.
    In a long clip a pixel column shows the smallest and largest value of its frames, so that no
    blink is lost.

    Args:
        motion: What to draw.
        waveform: [..., S] the speech, or None for a plot without it.
        sample_rate: Of the waveform, in Hz.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Raises:
        ValueError: The picture would be too small to read, the motion has no frames, or the
            waveform comes without a sample rate.
    """
    if width < SMALLEST[0] or height < SMALLEST[1]:
        raise ValueError(
            f"'width' × 'height' is {width}×{height}; labels need at least "
            f"{SMALLEST[0]}×{SMALLEST[1]} pixels. Use a larger picture."
        )
    if motion.frames == 0:
        raise ValueError("'motion' has no frames. Make it from audio of at least one sample.")
    if waveform is not None and (not sample_rate or sample_rate <= 0):
        raise ValueError("'audio' comes without a sample rate. Give 'sample_rate' in Hz.")
    sheet = _Sheet(width, height, motion.frames / float(exact_fps(motion.fps)))
    groups: list[tuple[float, list[_Track]]] = []
    if waveform is not None and sample_rate:
        groups.append((1.8, [_speech(waveform, sample_rate, sheet)]))
    groups.append((1.0, [_unit(motion, *item, LIPS_COLOUR, sheet) for item in LIPS.items()]))
    groups.append((1.0, [_unit(motion, *item, EYES_COLOUR, sheet) for item in EYES.items()]))
    groups.append((1.0, _head(motion, sheet)))
    return sheet.draw(groups)


def _speech(waveform: Tensor, sample_rate: int, sheet: _Sheet) -> _Track:
    samples = waveform.detach().cpu().float().reshape(-1, waveform.shape[-1]).nan_to_num()
    times = np.arange(samples.shape[1]) / sample_rate
    low, high = sheet.columns(times, samples.amin(0).numpy(), samples.amax(0).numpy())
    past = sheet.times > (times[-1] if times.size else 0.0)
    low[past], high[past] = 0.0, 0.0
    peak = float(max(high.max(), -low.min()))
    shown = peak if peak > 1e-3 else 1.0
    note = f"peak {20 * math.log10(peak):.0f} dB" if peak > 1e-3 else "silent"
    return _Track(
        label="Speech", low=low, high=high, span=(-shown, shown), note=note, colour=SPEECH_COLOUR
    )


def _unit(
    motion: Motion,
    label: str,
    names: tuple[str, ...],
    colour: tuple[int, int, int],
    sheet: _Sheet,
) -> _Track:
    curves = []
    for name in names:
        sides = [name] if name in ARKIT_INDEX else [name + "Left", name + "Right"]
        columns = [ARKIT_INDEX[side] for side in sides]
        curves.append(motion.coefficients[:, columns].mean(1))
    curve = torch.stack(curves).amax(0).nan_to_num().clamp(0, 1).cpu().numpy()
    _, high = sheet.columns(frame_times(motion.frames, motion.fps).numpy(), curve, curve)
    note = f"max {curve.max():.2f}"
    zero = np.zeros_like(high)
    return _Track(label=label, low=zero, high=high, span=(0.0, 1.0), note=note, colour=colour)


def _head(motion: Motion, sheet: _Sheet) -> list[_Track]:
    degrees = torch.rad2deg(motion.head_rotation).nan_to_num().cpu().numpy()
    largest = float(np.abs(degrees).max())
    reach = next((r for r in (2, 5, 10, 20, 30, 45, 90) if r >= largest), 180)
    tracks = []
    for label, curve in zip(HEAD, degrees.T, strict=True):
        times = frame_times(motion.frames, motion.fps).numpy()
        low, high = sheet.columns(times, curve, curve)
        tracks.append(
            _Track(
                label=label,
                low=low,
                high=high,
                span=(-float(reach), float(reach)),
                note=f"±{reach}°",
                colour=HEAD_COLOUR,
            )
        )
    return tracks


class _Sheet:
    """The picture's geometry: time to columns, tracks to rows."""

    def __init__(self, width: int, height: int, seconds: float) -> None:
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

    def draw(self, groups: list[tuple[float, list[_Track]]]) -> Tensor:
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

    def _track(self, draw: ImageDraw.ImageDraw, track: _Track, top: float, bottom: float) -> None:
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
