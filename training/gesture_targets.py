"""What head, brows and face do beside speech, by rules; nobody was recorded.

The voice's emphases nod and raise brows, not always; the head drifts as heads do; an emotion shows
the action units of its prototype, stronger with arousal, and comes and goes a little.

Shapes: T gesture frames, 25 a second; G = len(CHANNELS) gesture channels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..models.emotion.circumplex import CLASS_POINTS
from ..models.motion.action_units import prototype_coefficients
from ..models.motion.gestures import BROWS, CHANNELS, EXPRESSIVE, HEAD, RATE
from ..models.types import ARKIT_INDEX, EMOTIONS

Array = NDArray[np.float32]

DRIFT = (0.020, 0.031, 0.042, 0.010, 0.007, 0.009)  # deviation of each of HEAD while speaking
IDLE = 0.4  # share of the drift that is left when nobody speaks
NOD_RAD = 0.105  # how deep an emphasis nods at most
BROW = 0.35  # how high an emphasis lifts the brows at most
LIPS = 0.08  # deviation of the size of the lips' movement

# How the head is held in each emotion (pitch, yaw, roll in radians) and how much livelier it is.
POSTURE: dict[str, tuple[float, float, float, float]] = {
    "angry": (0.05, 0.0, 0.0, 1.35),
    "disgusted": (-0.02, 0.04, 0.03, 0.95),
    "fearful": (-0.03, 0.0, 0.0, 1.1),
    "happy": (-0.03, 0.0, 0.02, 1.3),
    "neutral": (0.0, 0.0, 0.0, 1.0),
    "sad": (0.09, 0.0, 0.03, 0.65),
    "surprised": (-0.06, 0.0, 0.0, 1.15),
    "contemptuous": (-0.06, 0.03, 0.05, 0.85),
}

# How far each coefficient goes where the prototype says 1, so that a face that speaks shows it:
# lips keep room for speech, brows and lids go all the way.
STRENGTH: dict[str, float] = {
    "browDown": 1.0, "browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "eyeSquint": 1.0,
    "cheekSquint": 1.0, "noseSneer": 1.0, "mouthSmile": 0.85, "mouthFrown": 1.0,
    "mouthDimple": 1.0, "mouthStretch": 1.0, "mouthPress": 0.7, "mouthShrugLower": 1.0,
    "mouthUpperUp": 1.0, "mouthLowerDown": 0.5, "jawOpen": 0.65,
}  # fmt: skip
# What stands out, and what hides it and gives way. Movements that hide each other: inner brows that
# rise and brows that lower; an upper lip that rises or lips that stretch and a mouth that hangs
# or drops; lids that widen and lids that tighten.
EMPHASIS: dict[tuple[str, str], float] = {
    ("angry", "eyeWide"): 0.6, ("angry", "eyeSquint"): 0.9, ("contemptuous", "mouthSmile"): 0.7,
    ("disgusted", "browDown"): 2.0, ("disgusted", "noseSneer"): 1.4,
    ("disgusted", "mouthUpperUp"): 1.5, ("disgusted", "mouthShrugLower"): 1.2,
    ("disgusted", "mouthFrown"): 0.3, ("happy", "cheekSquint"): 1.2, ("sad", "browDown"): 0.28,
    ("sad", "mouthShrugLower"): 3.0, ("surprised", "jawOpen"): 0.8,
    ("fearful", "mouthStretch"): 1.2, ("fearful", "browDown"): 0.25, ("fearful", "eyeSquint"): 0.0,
    ("fearful", "jawOpen"): 0.4, ("fearful", "browOuterUp"): 0.6,
}  # fmt: skip


def expression_table() -> Array:
    """The face of each emotion at strength 1, [8, len(EXPRESSIVE)] 0..1."""
    full = prototype_coefficients().numpy()
    table = full[:, [ARKIT_INDEX[name] for name in EXPRESSIVE]]
    for k, name in enumerate(EXPRESSIVE):
        plain = name.removesuffix("Left").removesuffix("Right")
        table[:, k] *= STRENGTH[plain]
        for row, emotion in enumerate(EMOTIONS):
            table[row, k] *= EMPHASIS.get((emotion, plain), 1.0)
    return table.clip(0.0, 1.0).astype(np.float32)


def random_emotion(frames: int, chance: np.random.Generator) -> Array:
    """A made-up course of feeling, [T, 10]: scores, valence and arousal.

    A third is neutral throughout; the others go through one to four mixtures.
    """
    scores = np.zeros((frames, len(EMOTIONS)), dtype=np.float32)
    neutral = EMOTIONS.index("neutral")
    count = 0 if chance.random() < 0.33 else int(chance.integers(1, 5))
    mixtures = np.zeros((max(count, 1), len(EMOTIONS)))
    for row in mixtures:
        kinds = chance.choice(len(EMOTIONS), 1 if chance.random() < 0.6 else 2, replace=False)
        shares = chance.dirichlet(np.ones(len(kinds)))
        strength = 1.0 if chance.random() < 0.4 else chance.uniform(0.0, 1.0)
        row[kinds] = shares * strength
        row[neutral] += 1.0 - row.sum()
    if count == 0:
        scores[:, neutral] = 1.0
    else:
        knots = np.sort(chance.uniform(0, frames, count))
        for k in range(len(EMOTIONS)):
            scores[:, k] = np.interp(np.arange(frames), knots, mixtures[:, k])
    point = scores @ np.array(CLASS_POINTS, dtype=np.float32)
    if chance.random() < 0.5:  # the voice may be calmer or livelier than the words
        point = point + chance.normal(0.0, 0.2, 2)
    return np.concatenate([scores, point.clip(-1.0, 1.0)], 1).astype(np.float32)


def gesture_targets(
    loud: Array, activity: Array, emotion: Array, chance: np.random.Generator
) -> Array:
    """One take of all gestures, [T, G].

    Args:
        loud: [T] 0..1, how loud the voice is.
        activity: [T] 0..1, whether somebody speaks.
        emotion: [T, 10] scores, valence and arousal.
        chance: Which take.
    """
    frames = len(loud)
    scores, arousal = emotion[:, : len(EMOTIONS)], emotion[:, -1]
    expected = scores @ np.array(CLASS_POINTS, dtype=np.float32)[:, 1]
    liveliness = np.array([POSTURE[name] for name in EMOTIONS])
    held = scores @ liveliness[:, :3]  # [T, 3]
    lively = scores @ liveliness[:, 3] * (1.0 + 0.5 * (arousal - expected)).clip(0.6, 1.4)
    talking = gaussian_filter1d(activity, 0.25 * RATE)
    out = np.zeros((frames, len(CHANNELS)), dtype=np.float32)

    drift = _wander(frames, 0.7, 6, chance) + _wander(frames, 2.2, 6, chance)
    drift = 2.0 * np.tanh(drift / math.sqrt(8.0))
    amount = (IDLE + (1.0 - IDLE) * talking) * lively
    head = drift * np.array(DRIFT) * amount[:, None]
    head[:, :3] += gaussian_filter1d(held, 0.5 * RATE, axis=0)
    brows = np.zeros((frames, 3))
    strength = np.ones(frames)
    for frame, size in _emphases(loud):
        depth, side, whether, height, felt = chance.random(5)
        nod = NOD_RAD * size * (0.3 + 0.7 * depth) * lively[frame]
        _bump(head[:, 0], frame, 0.095 * RATE, nod * (1.0 if depth > 0.15 else -0.6))
        _bump(head[:, 2], frame, 0.15 * RATE, 0.45 * nod * (2.0 * side - 1.0))
        _bump(head[:, 1], frame, 0.25 * RATE, 0.5 * nod * (2.0 * whether - 1.0))
        if whether < 0.5:
            lift = BROW * size * (0.3 + 0.7 * height)
            _bump(brows[:, 0], frame, 0.17 * RATE, lift)
            _bump(brows[:, 1], frame, 0.17 * RATE, 0.75 * lift)
        elif whether > 0.85:
            _bump(brows[:, 2], frame, 0.2 * RATE, 0.6 * BROW * size * height)
        _bump(strength, frame, 0.3 * RATE, 0.15 * felt * size)
    out[:, : len(HEAD)] = head
    out[:, len(HEAD) : len(HEAD) + len(BROWS)] = brows.clip(0.0, 0.5)
    out[:, CHANNELS.index("lips")] = (LIPS * _wander(frames, 2.5, 1, chance)[:, 0]).clip(-0.2, 0.2)

    strength = strength * (0.95 + 0.08 * _wander(frames, 1.6, 1, chance)[:, 0]).clip(0.75, 1.15)
    strength = strength * (1.0 + 0.5 * (arousal - expected)).clip(0.6, 1.4)
    face = gaussian_filter1d(scores @ expression_table(), 0.12 * RATE, axis=0)
    out[:, -len(EXPRESSIVE) :] = (face * strength[:, None]).clip(0.0, 1.0)
    return out


def _emphases(loud: Array) -> list[tuple[int, float]]:
    """Frames where the voice stands out, with how much (0..1), at least 0.45 s apart."""
    excess = gaussian_filter1d(loud, 0.08 * RATE) - gaussian_filter1d(loud, 0.8 * RATE)
    greatest = maximum_filter1d(excess, 2 * round(0.45 * RATE) + 1)
    peaks = np.flatnonzero((excess == greatest) & (excess > 0.06))
    return [(int(frame), min(1.0, float(excess[frame]) / 0.25)) for frame in peaks]


def _bump(track: NDArray[np.float64], centre: int, width: float, height: float) -> None:
    """Add a bell to a track [T] in place."""
    reach = math.ceil(3.5 * width)
    low, high = max(0, centre - reach), min(len(track), centre + reach + 1)
    track[low:high] += height * np.exp(-0.5 * ((np.arange(low, high) - centre) / width) ** 2)


def _wander(
    frames: int, knot_s: float, tracks: int, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Smooth noise of unit variance without memory beyond its width, [T, tracks]."""
    width = 0.6 * knot_s * RATE
    reach = math.ceil(4.0 * width)
    noise = chance.standard_normal((frames + 2 * reach, tracks))
    smooth = gaussian_filter1d(noise, width, axis=0, truncate=4.0)[reach : reach + frames]
    deviation = 1.0 / math.sqrt(2.0 * math.sqrt(math.pi) * width)  # of white noise so smoothed
    return np.asarray(smooth / deviation)
