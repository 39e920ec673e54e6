"""How somebody speaks: how much, how fast, with which pauses, how loud and where.

Shapes: S samples, L frames of 10 ms.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..prosody import QUIET, VOICED, loudness, pitch, runs
from ..speech import log_mel, to_mono
from .fact import Fact, Spoken, sureness

PAUSE = 25  # frames without sound that make a pause, 0.25 s
NEARLY, SURELY = 22, 29  # frames: a silence between the two is a pause to some and none to others
BLIP = 6  # frames of sound that are none
# heard syllables a second while speaking; up to a third is not heard, so few of them say little
SLOW, FAST = 2.4, 5.4
WORDS_SLOW, WORDS_FAST = 2.4, 3.8  # words a second while speaking
EVEN, VARIED = 3.5, 6.0  # dB, spread of the loudness of syllables
FLAT, LIVELY = 1.3, 3.2  # semitones, spread of the pitch
STRESS = 1.9  # spreads above the mean, of loudness and pitch together
LEAST_VOICED = 20  # frames, under which nothing is said about a voice
SILENCE = 0.002  # largest sample of a clip in which nobody speaks
LONGEST = 5 * 60 * 100  # frames whose pitch is looked at


def voice_facts(waveform: Tensor, sample_rate: int, words: tuple[Spoken, ...] = ()) -> list[Fact]:
    """Voice, rate, pauses, loudness, pitch and emphasis, as far as they can be told.

    Args:
        waveform: [C, S] the speech.
        sample_rate: In Hz.
        words: What is said, if it is known.
    """
    samples = to_mono(waveform, sample_rate)
    mel = log_mel(samples)
    hertz, periodic = pitch(samples[: LONGEST * 160])
    level = loudness(mel)
    sound = level > QUIET
    active = _runs_of(sound, PAUSE, BLIP)
    voiced = (periodic > VOICED) & sound[: len(periodic)]
    seconds = float(active.sum()) / 100.0
    share = float(voiced.sum()) / max(float(sound[: len(periodic)].sum()), 1.0)
    if int(voiced.sum()) < LEAST_VOICED or share < 0.15:
        measured = f"a voice is heard in {int(voiced.sum()) / 100:.1f} s"
        if float(samples.abs().max()) > SILENCE:
            return []  # noise: whether somebody speaks cannot be told
        return [Fact(subject="voice", value="silent", measured=measured, confidence=0.9)]
    measured = (
        f"there is sound in {seconds:.1f} of {len(sound) / 100:.1f} s, {share:.0%} of it voiced"
    )
    facts = [
        Fact(
            subject="voice", value="speaking", measured=measured,
            confidence=sureness(share, 0.15, 0.3),
        )
    ]  # fmt: skip
    facts += _rate(level, voiced, seconds, words)
    facts += _pauses(sound)
    facts += _pitch(hertz, voiced)
    stressed = _emphasis(level, hertz, voiced)
    loud = [] if stressed else _loudness(level, voiced)  # one syllable that stands out is not even
    return [*facts, *loud, *stressed]


def _runs_of(sound: Tensor, gap: int, blip: int) -> Tensor:
    """Where somebody speaks, [L] bool: gaps shorter than a pause belong to it, blips do not."""
    out = sound.clone()
    for value, least in ((True, blip), (False, gap)):
        for start, stop in runs(out == value):
            inner = start > 0 and stop < len(out)
            if stop - start < least and (inner or value):
                out[start:stop] = not value
    return out


def syllables(level: Tensor, voiced: Tensor) -> list[int]:
    """Frames of the syllables' loudest moments: voiced peaks of loudness, 2 dB over their dips.

    Source: in the manner of de Jong and Wempe, "Praat script to detect syllable nuclei", 2009.
    """
    frames = len(voiced)
    smooth = F.avg_pool1d(level[None, None, :frames], 5, 1, 2, count_include_pad=False)[0, 0]
    around = F.max_pool1d(smooth[None, None], 9, 1, 4)[0, 0]
    peaks = ((smooth == around) & voiced & (smooth > smooth.max() - 1.25)).nonzero()[:, 0].tolist()
    out: list[int] = []
    for at in peaks:
        if not out:
            out.append(at)
            continue
        dip = float(smooth[out[-1] : at + 1].min())
        if min(float(smooth[at]), float(smooth[out[-1]])) - dip > 0.1:  # 2 dB
            out.append(at)
        elif smooth[at] > smooth[out[-1]]:
            out[-1] = at
    return out


def _rate(level: Tensor, voiced: Tensor, seconds: float, words: tuple[Spoken, ...]) -> list[Fact]:
    if seconds < 1.0:
        return []
    count = sum(len(one.text.split()) for one in words)
    if count >= 4:
        rate, slow, fast, unit = count / seconds, WORDS_SLOW, WORDS_FAST, "words"
    else:
        heard = len(voiced) / max(len(level), 1)
        rate = len(syllables(level, voiced)) / max(seconds * heard, 0.1)
        slow, fast, unit = SLOW, FAST, "syllables"
    value = "slow" if rate < slow else "fast" if rate > fast else "moderate"
    if value == "moderate" and unit == "syllables":
        return []  # up to a third of the syllables is not heard: it may be fast
    edge = slow if rate < (slow + fast) / 2 else fast
    return [
        Fact(
            subject="rate",
            value=value,
            measured=f"{rate:.1f} {unit} a second while speaking",
            confidence=sureness(rate, edge, (fast - slow) / 2),
        )
    ]


def _pauses(sound: Tensor) -> list[Fact]:
    """How many there are, if it does not hang on a silence that is hardly one."""
    found: list[tuple[int, int]] = []
    counts = []
    for least in (NEARLY, SURELY, PAUSE):
        active = _runs_of(sound, least, BLIP)
        found = [(a, b) for a, b in runs(~active) if a > 0 and b < len(active)]
        counts.append(min(len(found), 2))
    if len(set(counts)) > 1:
        return []
    value = ("none", "one", "several")[counts[0]]
    told = ", ".join(f"{a / 100:.1f}–{b / 100:.1f} s" for a, b in found[:8])
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    measured = f"silence of {PAUSE / 100} s or more: {told or 'none'}{more}"
    return [Fact(subject="pauses", value=value, measured=measured, confidence=0.8)]


def _loudness(level: Tensor, voiced: Tensor) -> list[Fact]:
    peaks = syllables(level, voiced)
    if len(peaks) < 5:
        return []
    spread = 20.0 * float(level[peaks].std())
    return _two("loudness", spread, (EVEN, "even"), (VARIED, "varied"), "syllables", "dB")


def _pitch(hertz: Tensor, voiced: Tensor) -> list[Fact]:
    tones = 12.0 * (hertz[voiced] / 100.0).log2()
    middle = tones[(tones - tones.median()).abs() < 10.0]  # no octave errors
    if len(middle) < 50:
        return []
    spread = float(middle.std())
    return _two("pitch", spread, (FLAT, "monotone"), (LIVELY, "lively"), "pitch", "semitones")


def _two(
    subject: str,
    value: float,
    low: tuple[float, str],
    high: tuple[float, str],
    what: str,
    unit: str,
) -> list[Fact]:
    """The fact that a value is low, or high; in between nothing is said."""
    measured = f"the spread of {what} is {value:.1f} {unit}"
    for edge, name, inside in ((*low, value < low[0]), (*high, value > high[0])):
        if inside:
            sure = sureness(value, edge, 0.4 * edge)
            return [Fact(subject=subject, value=name, measured=measured, confidence=sure)]
    return []


def _emphasis(level: Tensor, hertz: Tensor, voiced: Tensor) -> list[Fact]:
    """Syllables that stand out: louder, and not lower, than the others."""
    peaks = syllables(level, voiced)
    if len(peaks) < 6:
        return []
    loud, high = level[peaks], hertz[peaks].log2()
    scores = (loud - loud.median()) / loud.std().clamp_min(0.1)
    tone = ((high - high.median()) / high.std().clamp_min(0.08)).clamp(-1.0, 1.0)
    stress = scores + 0.5 * tone
    strong = [at for at, score in zip(peaks, stress.tolist(), strict=True) if score > STRESS]
    if not strong:
        return []
    told = ", ".join(f"{at / 100:.1f} s" for at in strong[:6])
    value = "once" if len(strong) == 1 else "often"
    sure = sureness(float(stress.max()), STRESS, 1.0)
    return [
        Fact(
            subject="emphasis",
            value=value,
            measured=f"syllables louder than the others at {told}",
            confidence=sure,
        )
    ]
