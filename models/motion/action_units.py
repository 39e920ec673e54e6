"""Facial action units: a face's coefficients read as muscles, and the faces of the emotions.

Shapes: A = 20 action units in the order of ACTION_UNITS, C = 52 coefficients, E = 8 emotions.

Source: Ekman and Friesen's Facial Action Coding System (FACS) names and numbers the units. Which
coefficient shows which unit follows the meaning of Apple's coefficients; units that the 52 cannot
show (11 nasolabial deepener, 23 lip tightener apart from 24, 25 lips part) are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import ARKIT_INDEX, ARKIT_NAMES, EMOTIONS

# Number in FACS → name, and the coefficients that show it; a pair is averaged over both sides.
UNITS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("inner brow raiser", ("browInnerUp",)),
    2: ("outer brow raiser", ("browOuterUp",)),
    4: ("brow lowerer", ("browDown",)),
    5: ("upper lid raiser", ("eyeWide",)),
    6: ("cheek raiser", ("cheekSquint",)),
    7: ("lid tightener", ("eyeSquint",)),
    9: ("nose wrinkler", ("noseSneer",)),
    10: ("upper lip raiser", ("mouthUpperUp",)),
    12: ("lip corner puller", ("mouthSmile",)),
    14: ("dimpler", ("mouthDimple",)),
    15: ("lip corner depressor", ("mouthFrown",)),
    16: ("lower lip depressor", ("mouthLowerDown",)),
    17: ("chin raiser", ("mouthShrugLower",)),
    18: ("lip pucker", ("mouthPucker",)),
    20: ("lip stretcher", ("mouthStretch",)),
    22: ("lip funneler", ("mouthFunnel",)),
    24: ("lip pressor", ("mouthPress",)),
    26: ("jaw drop", ("jawOpen",)),
    28: ("lip suck", ("mouthRollLower", "mouthRollUpper")),
    45: ("blink", ("eyeBlink",)),
}

ACTION_UNITS: tuple[int, ...] = tuple(UNITS)

# What three sources say each emotion's face is made of, unit → share of faces (1 where the source
# gives no share). 25 (lips part) and 11 are left out; 23 counts as 24, its nearest here.
# EMFACS (Friesen and Ekman), as the documentation of OpenDBM, "Emotional expressivity", prints it.
EMFACS: dict[str, dict[int, float]] = {
    "angry": {4: 1.0, 5: 1.0, 7: 1.0, 24: 1.0},
    "disgusted": {9: 1.0, 15: 1.0, 16: 1.0},
    "fearful": {1: 1.0, 2: 1.0, 4: 1.0, 5: 1.0, 7: 1.0, 20: 1.0, 26: 1.0},
    "happy": {6: 1.0, 12: 1.0},
    "sad": {1: 1.0, 4: 1.0, 15: 1.0},
    "surprised": {1: 1.0, 2: 1.0, 5: 1.0, 26: 1.0},
    "contemptuous": {12: 1.0, 14: 1.0},
}
# Ekman and Friesen 1978, FACS manual, table 11-1, the most intense combinations, as quoted in
# MPR-online, issue 4, article 3. No contempt.
FACS_TABLE: dict[str, dict[int, float]] = {
    "angry": {4: 1.0, 5: 1.0, 7: 1.0, 24: 1.0},
    "disgusted": {4: 1.0, 10: 1.0, 17: 1.0},
    "fearful": {1: 1.0, 2: 1.0, 4: 1.0, 5: 1.0, 20: 1.0},
    "happy": {6: 1.0, 12: 1.0},
    "sad": {1: 1.0, 4: 1.0, 15: 1.0},
    "surprised": {1: 1.0, 2: 1.0, 5: 1.0, 26: 1.0},
}
# Du, Tao and Martinez, "Compound facial expressions of emotion", PNAS 111(15), 2014, table 1:
# share of 230 people whose face shows the unit, 1 where it is over 70 %. No contempt.
SEEN: dict[str, dict[int, float]] = {
    "angry": {4: 1.0, 7: 1.0, 10: 0.26, 17: 0.52, 24: 1.0},
    "disgusted": {4: 0.31, 9: 1.0, 10: 1.0, 17: 1.0, 24: 0.26},
    "fearful": {1: 1.0, 2: 0.57, 4: 1.0, 5: 0.63, 20: 1.0, 26: 0.33},
    "happy": {6: 0.51, 12: 1.0},
    "sad": {1: 0.60, 4: 1.0, 6: 0.50, 15: 1.0, 17: 0.67},
    "surprised": {1: 1.0, 2: 1.0, 5: 0.66, 26: 1.0},
}
SOURCES = (EMFACS, FACS_TABLE, SEEN)
RARE = 0.2  # a mean share below this is no part of the prototype

ONE_SIDED = "contemptuous"  # EMFACS gives this face to one side only: R12A + R14A
UNREAD = 0.08  # where no unit rises by more than this, the face is read as neutral


def columns(unit: int) -> list[int]:
    """Where a unit's coefficients stand among the 52, both sides."""
    out = []
    for name in UNITS[unit][1]:
        sides = (name,) if name in ARKIT_INDEX else (name + "Left", name + "Right")
        out += [ARKIT_INDEX[side] for side in sides]
    return out


def matrix() -> Tensor:
    """The fixed linear map, [A, C]: units = matrix @ coefficients, each row a mean."""
    out = torch.zeros(len(UNITS), len(ARKIT_NAMES))
    for row, unit in enumerate(ACTION_UNITS):
        out[row, columns(unit)] = 1.0 / len(columns(unit))
    return out


def action_units(coefficients: Tensor) -> Tensor:
    """How far each unit is contracted, [..., A] 0..1.

    Args:
        coefficients: [..., C] 0..1 in ARKIT_NAMES order.
    """
    return coefficients @ matrix().to(coefficients).T


def prototypes() -> Tensor:
    """The units of each emotion's face, [E, A] 0..1; neutral is all 0.

    A strength is the mean of the unit's share over the sources that describe the emotion, so a
    unit on which all agree has 1. Contempt counts half, because one side alone shows it.
    """
    out = torch.zeros(len(EMOTIONS), len(UNITS))
    for row, emotion in enumerate(EMOTIONS):
        tables = [source[emotion] for source in SOURCES if emotion in source]
        for column, unit in enumerate(ACTION_UNITS):
            share = sum(table.get(unit, 0.0) for table in tables) / max(1, len(tables))
            out[row, column] = share if share >= RARE else 0.0
    out[EMOTIONS.index(ONE_SIDED)] *= 0.5
    return out


def prototype_coefficients() -> Tensor:
    """The face of each emotion at full strength, [E, C] 0..1; its units are `prototypes()`."""
    spread = (matrix() > 0).float()  # each coefficient of a unit moves as far as the unit
    out = prototypes() @ spread
    contempt = out[EMOTIONS.index(ONE_SIDED)]
    for index, name in enumerate(ARKIT_NAMES):
        contempt[index] *= 2.0 if name.endswith("Right") else 0.0
    return out


def sided_units(coefficients: Tensor) -> Tensor:
    """How far each unit is contracted on the left and on the right, [..., 2, A] 0..1.

    Args:
        coefficients: [..., C] 0..1 in ARKIT_NAMES order.
    """
    sides = []
    for other in ("Right", "Left"):
        one = matrix()
        one[:, [name.endswith(other) for name in ARKIT_NAMES]] = 0.0
        sides.append(one / one.sum(1, keepdim=True))
    return torch.einsum("...c,sac->...sa", coefficients, torch.stack(sides).to(coefficients))


def read_emotion(coefficients: Tensor, neutral: Tensor) -> Tensor:
    """How much a face looks like each emotion's prototype, [..., E] −1..1; the largest is meant.

    The cosine between the units' rise over neutral and the prototype, left and right apart, as
    contempt is told from a smile by its one side. A face on which no unit rises by more than 0.08
    is neutral (1, all others 0).

    Args:
        coefficients: [..., C] of the face, as a mean over frames where it speaks.
        neutral: [..., C] of the same face, neutral, saying the same.
    """
    rise = (sided_units(coefficients) - sided_units(neutral)).flatten(-2)
    wanted = sided_units(prototype_coefficients()).flatten(-2).to(rise)
    sizes = rise.norm(dim=-1, keepdim=True) * wanted.norm(dim=1)
    likeness = (rise @ wanted.T) / sizes.clamp(min=1e-9)
    still = (rise.amax(-1) <= UNREAD)[..., None]
    neutral_only = torch.zeros_like(likeness)
    neutral_only[..., EMOTIONS.index("neutral")] = 1.0
    return torch.where(still, neutral_only, likeness)
