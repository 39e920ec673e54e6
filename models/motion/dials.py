"""How much of each part of a motion is shown: six dials, constant or as keyframes over time.

Shapes: T video frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

MOST = 10_000  # keyframes

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_SHAPE = "'1.5 head 0.5'"


@dataclass(frozen=True, kw_only=True)
class Dials:
    """How much of each part is shown, 0 (exactly nothing of it) to 2 (twice as much)."""

    lips: float = 1.0  # how far the mouth moves to speak
    expression: float = 1.0  # how strongly the emotion shows
    head: float = 1.0  # how far the head turns, tilts and moves
    blinks: float = 1.0  # how far the lids close in a blink; 1 closes them
    gaze: float = 1.0  # how far the eyes look around
    brows: float = 1.0  # how far the brows move with the voice

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value <= 2.0:
                raise ValueError(f"'{field.name}' is {value:g}. Use a value from 0 (off) to 2.")


STANDARD = Dials()
NAMES = tuple(field.name for field in fields(Dials))


def parse_keyframes(text: str) -> dict[str, list[tuple[float, float]]]:
    """Per dial the moments (seconds, value) in the order of time; dials without any are left out.

    A line is a time in seconds, the name of a dial and its value 0..2, as in "1.5 head 0.5". Empty
    lines and what follows a # are passed over.

    Raises:
        ValueError: A line cannot be read, a dial is unknown, a value is out of range, times of a
            dial do not rise, or there are too many. The message names the line.
    """
    keys: dict[str, list[tuple[float, float]]] = {}
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        where = f"Line {number} of 'keyframes'"
        if len(words) != 3 or not all(_NUMBER.fullmatch(words[i]) for i in (0, 2)):
            raise ValueError(
                f"{where} is '{' '.join(words)}'. Write a time in seconds, a dial and its value, "
                f"like {_SHAPE}."
            )
        time, name, value = float(words[0]), words[1].lower(), float(words[2])
        if name not in NAMES:
            raise ValueError(f"{where} names '{words[1]}'. Use one of {', '.join(NAMES)}.")
        if not 0.0 <= value <= 2.0:
            raise ValueError(f"{where} sets '{name}' to {value:g}. Use a value from 0 (off) to 2.")
        if time < 0.0:
            raise ValueError(f"{where} is at {time:g} s. Use a time from 0 s.")
        track = keys.setdefault(name, [])
        if track and time <= track[-1][0]:
            raise ValueError(
                f"{where} is at {time:g} s, but '{name}' already has {track[-1][0]:g} s. Put the "
                "lines of a dial in the order of time, each moment once."
            )
        track.append((time, value))
        count += 1
        if count > MOST:
            raise ValueError(
                f"{where} is keyframe {count}, at most {MOST} are allowed. Leave out keyframes "
                "that lie between others."
            )
    return keys


def dial_tracks(dials: Dials, keyframes: str, times: Tensor) -> dict[str, Tensor]:
    """Each dial's value over time, [T] float32 by name.

    A dial with keyframes follows them, in straight lines from one to the next and held before the
    first and after the last; all others stay as they are set.

    Args:
        dials: The settings.
        keyframes: Lines as of `parse_keyframes`, or nothing.
        times: [T] the middle of each frame in seconds.

    Raises:
        ValueError: A line cannot be used; the message names it.
    """
    keys = parse_keyframes(keyframes)
    moments = times.double().numpy()
    out = {}
    for name in NAMES:
        values = np.full(len(moments), float(getattr(dials, name)))
        if name in keys:
            at, level = zip(*keys[name], strict=True)
            values = np.interp(moments, at, level)
        out[name] = torch.from_numpy(values).float()
    return out
