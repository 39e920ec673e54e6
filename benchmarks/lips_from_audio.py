"""Do the lips follow the sounds? Measured on coefficients, against phones set by hand.

    python -m synchrorama.benchmarks.lips_from_audio --emodb DIR [--aligned WAV ...]
        [--labels DIR] [--conditions clean noise telephone slow fast] [--draws 10]
        [--emotions happy ...]
        [--weights FILE] [--fps 25] [--out FILE.json]

emodb's speakers 13 and 14, whom the network never heard; of them their sentences b09 and b10, which
it never heard from anybody; and recordings with the phone times of a forced alignment, NAME.wav
with NAME.phone.json beside it or in --labels. Every figure is computed from the Motion of
`motion_from_audio` at the video's frame rate, with head, blinks and gaze off. The opening of the
mouth is `lips.drawn_gap`. Conditions: as recorded, noise 10 dB below (--draws of it, each of
another colour), a telephone's band, played 20 % slower and faster. Emotions, at strength 1, are
measured on the sound as recorded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..models.checkpoint import WEIGHTS
from ..models.emotion.circumplex import to_valence_arousal
from ..models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from ..models.motion.dials import Dials
from ..models.motion.lips import drawn_gap
from ..models.speech import SAMPLE_RATE, frame_count, frame_times, to_mono
from ..models.types import ARKIT_INDEX, EMOTIONS, Emotion
from ..training.augment import change_speed, noise, telephone
from ..training.phones import CLOSED_LIPS, OPEN_VOWELS, Phone, from_arpabet
from ..training.speech_data import TEST_SENTENCES, emodb_utterances
from ..training.visemes import fill_gaps

Array = NDArray[np.float64]
CONDITIONS = ("clean", "noise", "telephone", "slow", "fast")
CLOSED = 0.05  # of the gap at jawOpen 1: about 4 % of the width of the mouth

# How open the mouth is in each phone, 0..1: an order of phones by phonetics, not by our targets.
OPENNESS: dict[str, float] = {
    **dict.fromkeys("aA{", 1.0), **dict.fromkeys("VEO9", 0.75), **dict.fromkeys("eo2@3", 0.5),
    **dict.fromkeys("iIuUyYh", 0.4), **dict.fromkeys("kgNxRlSZ", 0.35), "?": 0.4, "C": 0.3,
    **dict.fromkeys("tdnrjTD", 0.25), "rel": 0.25, **dict.fromkeys("szw", 0.15),
    **dict.fromkeys("fv", 0.1), "B": 0.05, **dict.fromkeys("pbm", 0.0), "sil": 0.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spoken:
    """One utterance with its phones."""

    name: str
    samples: Array  # [S]
    sample_rate: int
    phones: list[Phone]


@dataclass(frozen=True, eq=False)
class Clip:
    """One utterance with its opening of the mouth over time."""

    name: str
    phones: list[Phone]
    duration: float
    gap: Array  # [T]
    rounding: Array  # [T] mouthPucker + mouthFunnel
    times: Array  # [T] seconds
    closed: float = CLOSED  # gap up to which lips are closed


def auc(low: list[float], high: list[float]) -> float:
    """Probability that one of `high` is greater than one of `low`; not a number without any."""
    if not low or not high:
        return float("nan")
    ranks = rankdata(np.array(low + high))
    above = ranks[len(low) :].sum() - len(high) * (len(high) + 1) / 2
    return float(above / (len(low) * len(high)))


def at(track: Array, times: Array, moment: float) -> float:
    """The track at the frame in which the moment lies."""
    return float(track[int(np.argmin(np.abs(times - moment)))])


def reference_openness(clip: Clip, shift: float = 0.0) -> Array:
    """How open the phones say the mouth is at each frame, smoothed over 25 ms."""
    fine = np.arange(0.0, clip.duration, 0.005) + 0.0025
    value = np.zeros(len(fine))
    for phone in fill_gaps(clip.phones, clip.duration):
        value[(fine >= phone.start) & (fine < phone.end)] = OPENNESS[phone.name]
    reach = np.exp(-0.5 * (np.arange(-24, 25) * 0.005 / 0.025) ** 2)
    value = np.convolve(np.pad(value, 24, mode="edge"), reach / reach.sum(), mode="valid")
    return np.interp(clip.times + shift, fine, value)


def best_offset(clip: Clip) -> float:
    """By how many seconds the mouth comes late (> 0) when it fits the phones best."""
    shifts = np.arange(-0.16, 0.1601, 0.01)
    fits = [np.corrcoef(clip.gap, reference_openness(clip, -s))[0, 1] for s in shifts]
    return float(shifts[int(np.argmax(fits))])


def measure(clips: list[Clip], fps: float) -> dict[str, float]:
    """All figures over a set of clips."""
    centres: dict[str, list[tuple[Clip, Phone]]] = {}
    for clip in clips:
        for phone in clip.phones:
            centres.setdefault(phone.name, []).append((clip, phone))

    def values(names: str | frozenset[str], what: Callable[[Clip], Array]) -> list[float]:
        return [
            at(what(c), c.times, (p.start + p.end) / 2)
            for n in names
            for c, p in centres.get(n, [])
        ]

    def gaps(names: str | frozenset[str]) -> list[float]:
        return values(names, lambda c: c.gap)

    shut = [
        clip.closed
        >= clip.gap[
            np.abs(clip.times - (p.start + p.end) / 2) <= 0.06 + (p.end - p.start) / 2
        ].min()
        for name in CLOSED_LIPS
        for clip, p in centres.get(name, [])
    ]
    pauses, shares = [], []
    for clip in clips:
        wide = float(np.quantile(clip.gap, 0.95))
        for phone in fill_gaps(clip.phones, clip.duration):
            if phone.name == "sil" and phone.end - phone.start >= 0.25:
                inside = (clip.times > phone.start + 0.1) & (clip.times < phone.end - 0.1)
                if inside.any():
                    pauses.append(float(clip.gap[inside].max()) / wide)
        shares.append(best_offset(clip))
    fits = [float(np.corrcoef(c.gap, reference_openness(c))[0, 1]) for c in clips]
    rounded, plain = values("uUowyY2", lambda c: c.rounding), values("ieIE", lambda c: c.rounding)
    figures = {
        "clips": len(clips),
        "closures": len(shut),
        "auc_pbm_open_vowels": auc(gaps(CLOSED_LIPS), gaps(OPEN_VOWELS)),
        "auc_pbm_tdkgn": auc(gaps(CLOSED_LIPS), gaps("tdkgnN")),
        "auc_fv_open_vowels": auc(gaps("fv"), gaps(OPEN_VOWELS)),
        "auc_rounded": auc(plain, rounded),
        "closed_share": float(np.mean(shut)),
        "correlation": float(np.mean(fits)),
        "correlation_worst": float(np.min(fits)),
        "offset_within_a_frame": float(np.mean([abs(s) <= 1.0 / fps + 1e-6 for s in shares])),
        "offset_median_ms": float(np.median(shares)) * 1000.0,
        "pauses": len(pauses),
        "pause_gap_median": float(np.median(pauses)) if pauses else float("nan"),
        "pause_gap_worst": float(np.max(pauses)) if pauses else float("nan"),
        "gap_95": float(np.quantile(np.concatenate([c.gap for c in clips]), 0.95)),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def clip_of(model: AudioToMotion, spoken: Spoken, fps: float, emotion: str | None) -> Clip:
    """Run the model over one utterance, with an emotion at strength 1 if one is named."""
    waveform = torch.from_numpy(spoken.samples).float()
    frames = frame_count(len(waveform), spoken.sample_rate, fps)
    still = Dials(head=0.0, blinks=0.0, gaze=0.0)
    felt = None if emotion is None else throughout(emotion, frames, fps)
    motion = motion_from_audio(
        model, waveform, spoken.sample_rate, fps=fps, emotion=felt, dials=still
    )
    pucker, funnel = (ARKIT_INDEX[n] for n in ("mouthPucker", "mouthFunnel"))
    return Clip(
        spoken.name,
        spoken.phones,
        len(waveform) / spoken.sample_rate,
        drawn_gap(motion.coefficients).clamp_min(0.0).double().numpy(),
        (motion.coefficients[:, pucker] + motion.coefficients[:, funnel]).double().numpy(),
        frame_times(motion.frames, fps).numpy(),
    )


def throughout(name: str, frames: int, fps: float) -> Emotion:
    """One emotion at strength 1 from beginning to end."""
    scores = torch.eye(len(EMOTIONS))[EMOTIONS.index(name)].expand(frames, -1)
    return Emotion(
        scores=scores,
        valence_arousal=to_valence_arousal(scores),
        confidence=torch.ones(frames),
        embedding=torch.zeros(frames, 256),
        fps=fps,
    )


def under(spoken: Spoken, condition: str, draw: int = 0) -> Spoken:
    """The utterance under one of CONDITIONS; draw is the seed of noise."""
    chance = np.random.default_rng(draw)
    mono = to_mono(torch.from_numpy(spoken.samples), spoken.sample_rate).numpy()
    phones = spoken.phones
    if condition == "noise":
        mono = noise(mono, 10.0, chance)
    elif condition == "telephone":
        mono = telephone(mono)
    elif condition in ("slow", "fast"):
        mono, phones = change_speed(mono, phones, 1.0 / 1.2 if condition == "slow" else 1.2)
    return Spoken(spoken.name, mono, SAMPLE_RATE, phones)


def heard_under(conditions: list[str], draws: int) -> list[tuple[str, str, int]]:
    """Title, condition and seed of each way to hear a recording: noise is drawn so many times."""
    ways = [(condition, condition, 0) for condition in conditions]
    further = range(1, draws) if "noise" in conditions else ()
    return ways + [(f"noise {draw}", "noise", draw) for draw in further]


def read_alignment(path: Path) -> list[Phone]:
    """Phones of a pocketsphinx alignment: words in "w", their phones in each word's "w"."""
    phones: list[Phone] = []
    for word in json.loads(path.read_text())["w"]:
        for item in word["w"]:
            phones += from_arpabet(item["t"], item["b"], item["b"] + item["d"])
    return phones


def emodb_spoken(folder: Path) -> dict[str, list[Spoken]]:
    """Speakers 13 and 14: all sentences, and those never trained on; zero padding cut off."""
    everything, unheard = [], []
    for item in emodb_utterances(folder, test=True):
        heard = item.utterance
        last = int(np.flatnonzero(heard.samples)[-1]) + 1
        spoken = Spoken(item.sentence, heard.samples[:last], heard.sample_rate, heard.phones)
        everything.append(spoken)
        if item.sentence in TEST_SENTENCES:
            unheard.append(spoken)
    return {"emodb 13, 14": everything, "of them b09, b10": unheard}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--aligned", type=Path, nargs="*", default=[], help="more recordings")
    parser.add_argument("--labels", type=Path, help="folder of their .phone.json")
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, default=["clean"])
    parser.add_argument("--draws", type=int, default=1, help="of noise")
    parser.add_argument("--emotions", nargs="*", choices=EMOTIONS, default=[])
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "audio_to_motion.safetensors")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model = AudioToMotion.from_checkpoint(args.weights)
    sets = emodb_spoken(args.emodb)
    for path in args.aligned:
        samples, sample_rate = soundfile.read(path, dtype="float32")
        phones = read_alignment((args.labels or path.parent) / f"{path.stem}.phone.json")
        sets[path.stem] = [Spoken(path.stem, samples, int(sample_rate), phones)]
    ways: list[tuple[str, str, int, str | None]]
    ways = [(*way, None) for way in heard_under(args.conditions, args.draws)]
    ways += [(name, "clean", 0, name) for name in args.emotions]
    results: dict[str, dict[str, float]] = {}
    for title, condition, draw, emotion in ways:
        for name, everything in sets.items():
            heard = [under(one, condition, draw) for one in everything]
            clips = [clip_of(model, one, args.fps, emotion) for one in heard]
            results[name if title == "clean" else f"{name}, {title}"] = measure(clips, args.fps)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))
    for figure in next(iter(results.values())):
        print(f"{figure:24}", *(f"{results[name][figure]:>8.3f}" for name in results))
    print(" | ".join(results))


if __name__ == "__main__":
    main()
