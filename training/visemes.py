"""From phones with times to what the mouth does, by rules; nobody's face was recorded.

Each phone pulls each articulator towards a target, with the share that it has of a bell-shaped
window of time; what is seen is the weighted mean of all that pull (the dominance functions of Cohen
and Massaro, "Modeling coarticulation in synthetic visual speech", 1993, with another falloff, so
that a short vowel between two closures still opens the mouth). Sounds that
cannot be made otherwise get their way in any company: teeth on the lip for f and v, and closed lips
for p, b and m, which are a track of their own.

Shapes: L frames, 100 a second, frame i at (i + 0.5) / 100 s; N phones; 9 shapes in models' SHAPES.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ..models.motion.lips import SHAPES
from .phones import CLOSED_LIPS, TEETH_ON_LIP, VOWELS, Phone

Array = NDArray[np.float32]
RATE = 100  # frames a second
PAUSE_S = 0.25  # a silence at least this long lets the mouth go back to rest

# Articulators: which shapes move together; by how much they are early, and how far (one standard
# deviation) a sound is seen beyond its own time, both in seconds.
_JAW, _ROUND, _LIPS = 0, 1, 2
_GROUP = np.array([_JAW, _ROUND, _ROUND, _ROUND, _ROUND, _LIPS, _LIPS, _LIPS, _LIPS])
_BLEND_S = ((0.0, 0.024), (0.01, 0.045), (0.0, 0.024))

# jawOpen funnel pucker stretch smile upperUp lowerDown rollLower shrugUpper | pull: jaw round lips
_TABLE = """
a    .48 .00 .00 .06 .02 .12 .26 .00 .00   1.3   .7 1.0
A    .50 .06 .00 .00 .00 .12 .26 .00 .00   1.3   .7 1.0
{    .42 .00 .00 .20 .06 .16 .26 .00 .00   1.3   .7 1.0
V    .35 .00 .00 .04 .02 .08 .18 .00 .00   1.0   .5  .7
E    .34 .00 .00 .16 .06 .12 .20 .00 .00   1.1   .7  .8
e    .27 .00 .00 .22 .08 .10 .18 .00 .00   1.0   .8  .8
I    .20 .00 .00 .16 .05 .08 .14 .00 .00    .9   .6  .7
i    .16 .00 .00 .26 .10 .10 .16 .00 .00   1.0   .9  .8
@    .23 .00 .00 .04 .02 .05 .10 .00 .00    .7   .3  .6
3    .20 .16 .10 .00 .00 .06 .12 .00 .00    .9   .6  .7
O    .30 .30 .16 .00 .00 .06 .14 .00 .00   1.1   .9  .8
o    .22 .32 .42 .00 .00 .02 .06 .00 .00   1.0  1.0  .8
U    .16 .28 .42 .00 .00 .02 .04 .00 .00    .9   .9  .8
u    .12 .24 .62 .00 .00 .00 .02 .00 .00   1.0  1.2  .8
y    .11 .24 .60 .00 .00 .02 .02 .00 .00   1.0  1.2  .8
Y    .13 .28 .46 .00 .00 .02 .04 .00 .00    .9  1.0  .8
2    .18 .30 .46 .00 .00 .03 .06 .00 .00   1.0  1.1  .8
9    .27 .36 .26 .00 .00 .05 .10 .00 .00   1.1  1.0  .8
w    .06 .20 .68 .00 .00 .00 .00 .00 .00   1.0  1.4  .9
r    .12 .22 .22 .00 .00 .04 .10 .00 .00    .8   .7  .7
R    .18 .00 .00 .04 .00 .04 .10 .00 .00    .5   .1  .4
x    .18 .00 .00 .04 .00 .04 .10 .00 .00    .5   .1  .4
l    .20 .00 .00 .06 .02 .05 .14 .00 .00    .7   .2  .6
n    .15 .00 .00 .08 .03 .05 .12 .00 .00    .8   .2  .7
t    .14 .00 .00 .10 .03 .05 .14 .00 .00    .9   .2  .8
d    .14 .00 .00 .08 .03 .05 .14 .00 .00    .9   .2  .8
s    .07 .00 .00 .16 .06 .08 .22 .00 .00   1.2   .4  .9
z    .07 .00 .00 .14 .05 .08 .20 .00 .00   1.2   .4  .9
S    .06 .34 .26 .00 .00 .10 .16 .00 .16   1.1  1.2  .9
Z    .06 .32 .26 .00 .00 .10 .16 .00 .14   1.1  1.2  .9
T    .14 .00 .00 .08 .02 .08 .18 .00 .00   1.0   .3  .9
D    .14 .00 .00 .08 .02 .08 .16 .00 .00    .9   .3  .8
k    .18 .00 .00 .06 .02 .05 .12 .00 .00    .6   .1  .5
g    .18 .00 .00 .06 .02 .05 .12 .00 .00    .6   .1  .5
N    .18 .00 .00 .06 .02 .05 .12 .00 .00    .6   .1  .5
C    .13 .00 .00 .16 .06 .08 .16 .00 .00    .8   .3  .7
j    .13 .00 .00 .20 .08 .08 .14 .00 .00    .9   .5  .7
f    .04 .00 .00 .04 .02 .20 .00 .50 .00   2.0   .3 1.4
v    .05 .00 .00 .04 .02 .18 .00 .46 .00   2.0   .3 1.4
p    .10 .00 .00 .04 .00 .00 .00 .10 .00   1.1   .2 1.1
b    .10 .00 .00 .04 .00 .00 .00 .08 .00   1.1   .2 1.1
m    .10 .00 .00 .04 .00 .00 .00 .06 .00   1.1   .2 1.1
B    .08 .00 .00 .04 .00 .00 .02 .06 .00   1.0   .2 1.0
h    .20 .00 .00 .00 .00 .04 .08 .00 .00    .3   .0  .3
?    .16 .00 .00 .00 .00 .04 .06 .00 .00    .3   .0  .3
rel  .16 .00 .00 .04 .00 .04 .08 .00 .00    .3   .0  .3
sil  .00 .00 .00 .00 .00 .00 .00 .00 .00    .9   .5  .9
"""


@dataclass(frozen=True, eq=False)
class MouthTrack:
    """What the mouth does, 100 frames a second."""

    shapes: Array  # [L, 9] 0..1, without what closed lips add
    closure: Array  # [L] 0..1, 1 = lips closed by p, b or m
    activity: Array  # [L] 0..1, 0 = at rest in a pause


def viseme_table() -> dict[str, tuple[Array, Array]]:
    """Targets [9] and pulls [3] (jaw, rounding, lips) of each phone."""
    table = {}
    for line in _TABLE.strip().splitlines():
        name, *numbers = line.split()
        values = np.array([float(n) for n in numbers], dtype=np.float32)
        table[name] = (values[: len(SHAPES)], values[len(SHAPES) :])
    return table


def mouth_track(phones: list[Phone], frames: int, level: Array | None = None) -> MouthTrack:
    """What the mouth does while it says the phones.

    Args:
        phones: In order of time; gaps count as silence.
        frames: L.
        level: [L] RMS of the sound in the same 10 ms frames. Vowels louder than the clip's usual
            vowel open the jaw up to 20 % more, weaker ones up to 25 % less.
    """
    times = (np.arange(frames, dtype=np.float32) + 0.5) / RATE
    phones = fill_gaps(phones, frames / RATE)
    table = viseme_table()
    targets = np.stack([table[p.name][0] for p in phones])  # [N, 9]
    pulls = np.stack([table[p.name][1] for p in phones])  # [N, 3]
    targets[:, 0] *= _effort(phones, level)
    start = np.array([p.start for p in phones], dtype=np.float32)[:, None]
    end = np.array([p.end for p in phones], dtype=np.float32)[:, None]
    start[0], end[-1] = -1.0, frames / RATE + 1.0
    shapes = np.zeros((frames, len(SHAPES)), dtype=np.float32)
    for group, (early, spread) in enumerate(_BLEND_S):
        ahead = times + early
        share = ndtr((ahead - start) / spread) - ndtr((ahead - end) / spread)  # [N, L]
        strength = pulls[:, group : group + 1] * share + 1e-6
        columns = group == _GROUP
        shapes[:, columns] = (strength.T @ targets[:, columns]) / strength.sum(0)[:, None]
    teeth = _GROUP == _LIPS
    for phone in phones:
        if phone.name in TEETH_ON_LIP:
            hold = _hold(times, phone.start, phone.end)[:, None]
            shapes[:, teeth] += (table[phone.name][0] - shapes)[:, teeth] * hold
    activity = _activity(phones, times)
    return MouthTrack(
        (shapes * activity[:, None]).astype(np.float32), _closure(phones, times), activity
    )


def fill_gaps(phones: list[Phone], duration: float) -> list[Phone]:
    """The same phones with silence wherever there is none, and neighbouring silences joined."""
    out: list[Phone] = []
    now = 0.0
    for phone in [*phones, Phone("sil", duration, duration)]:
        if phone.start > now + 1e-4:
            out.append(Phone("sil", now, phone.start))
        if phone.end > phone.start:
            out.append(phone)
        now = max(now, phone.end)
    joined: list[Phone] = []
    for phone in out:
        if joined and phone.name == joined[-1].name == "sil":
            joined[-1] = Phone("sil", joined[-1].start, phone.end)
        else:
            joined.append(phone)
    return joined


def _effort(phones: list[Phone], level: Array | None) -> Array:
    """How far each phone's jaw goes compared to the table, [N]."""
    effort = np.ones(len(phones), dtype=np.float32)
    if level is None:
        return effort
    loud = {
        i: float(
            level[int(p.start * RATE) : max(int(p.end * RATE), int(p.start * RATE) + 1)].mean()
        )
        for i, p in enumerate(phones)
        if p.name in VOWELS and int(p.start * RATE) < len(level)
    }
    if loud:
        usual = float(np.median(list(loud.values()))) + 1e-6
        for i, value in loud.items():
            effort[i] = np.clip((value / usual + 1e-6) ** 0.3, 0.75, 1.2)
    return effort


def _closure(phones: list[Phone], times: Array) -> Array:
    """Lips closed over each p, b, m."""
    out = np.zeros(len(times), dtype=np.float32)
    for i, phone in enumerate(phones):
        if phone.name not in CLOSED_LIPS and phone.name != "B":
            continue
        start, end = phone.start, phone.end
        if i > 0 and phones[i - 1].name == "sil":
            start = max(start - 0.1, phones[i - 1].start)  # lips that were at rest stay closed
        if i + 1 < len(phones) and phones[i + 1].name == "sil":
            end = min(end + 0.1, phones[i + 1].end)
        out = np.maximum(out, _hold(times, start, end) * (0.6 if phone.name == "B" else 1.0))
    return out


def _hold(times: Array, start: float, end: float, early: float = 0.03, late: float = 0.02) -> Array:
    """1 for at least 40 ms around a sound that must be seen, early rather than late; soft edges."""
    missing = max(0.0, 0.04 - (end - start))
    start, end = start - 0.7 * missing, end + 0.3 * missing
    before, after = _ease((times - start) / early + 1.0), _ease((end - times) / late + 1.0)
    return np.minimum(before, after)


def _activity(phones: list[Phone], times: Array) -> Array:
    out = np.ones(len(times), dtype=np.float32)
    last = phones[-1].end
    for phone in phones:
        at_an_end = phone.start <= 0.0 or phone.end >= last
        if phone.name == "sil" and (phone.end - phone.start >= PAUSE_S or at_an_end):
            stop = phone.end + 1.0 if phone.end >= last else phone.end
            start = phone.start - 1.0 if phone.start <= 0.0 else phone.start
            settle = _ease((times - start) / 0.1)
            open_again = _ease((stop - times) / 0.1)
            out = np.minimum(out, 1.0 - np.minimum(settle, open_again))
    return out


def _ease(x: Array) -> Array:
    x = np.clip(x, 0.0, 1.0)
    return (x * x * (3.0 - 2.0 * x)).astype(np.float32)
