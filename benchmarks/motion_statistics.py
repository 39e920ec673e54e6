"""Does a head move and do eyes blink as people's do, do takes differ, does an hour fit?

    python -m synchrorama.benchmarks.motion_statistics --speech WAV [WAV ...] [--weights FILE]
        [--minutes 10] [--seeds 5] [--hour] [--out FILE.json]

The head is compared with people's: SPEAKERS has what 12 speakers do within ten seconds, least and
most of their medians, from head rotations of 60 such pieces of real video that were published with
the code of AD-NeRF, StyleTalk, DreamTalk, ICface, openFaceR and Self-Disclosure-Head-Motion-
Detection, smoothed as here by a Gaussian of 40 ms against the trackers' noise.

All is measured on motions of `motion_from_audio`. The recordings are repeated with half a second
between until they fill the minutes. Head angles are in degrees, speeds in degrees a second (of the
whole rotation vector), at 25 frames a second. "Seams" compares the steps of all tracks from one
frame to the next at the ends of windows, in as many takes as there are seeds, with the 99.5th
percentile of the others. --hour measures time and memory on 60 minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..models.checkpoint import WEIGHTS
from ..models.media import read_audio
from ..models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from ..models.motion.lips import lip_gap
from ..models.speech import SAMPLE_RATE, to_mono
from ..models.types import ARKIT_INDEX, Motion

FPS = 25.0
PIECE_S, SMOOTH_S = 10.0, 0.04
SPEAKERS: dict[str, tuple[float, float]] = {  # degrees, degrees a second
    "pitch_deviation": (1.0, 3.9), "yaw_deviation": (0.8, 5.7), "roll_deviation": (1.1, 5.8),
    "pitch_range": (5.3, 15.5), "yaw_range": (3.2, 21.4), "roll_range": (5.6, 17.4),
    "speed_mean": (6.4, 14.6), "speed_95": (17.8, 41.7),
}  # fmt: skip
WINDOW_S = (30.0, 120.0)  # lengths of the windows of articulation and gestures


def repeated(paths: list[Path], seconds: float) -> Tensor:
    """The recordings one after another, [S] at 16 kHz."""
    clips = [to_mono(*read_audio(path)) for path in paths]
    pause = torch.zeros(SAMPLE_RATE // 2)
    parts: list[Tensor] = []
    while sum(len(part) for part in parts) < seconds * SAMPLE_RATE:
        parts += [clips[len(parts) // 2 % len(clips)], pause]
    return torch.cat(parts)[: round(seconds * SAMPLE_RATE)]


def blinks(motion: Motion) -> dict[str, float]:
    """How often and how long the lids are more than half closed."""
    shut = motion.coefficients[:, ARKIT_INDEX["eyeBlinkLeft"]].numpy() > 0.5
    edges = np.flatnonzero(np.diff(np.concatenate([[0], shut.astype(int), [0]])))
    starts, ends = edges[::2], edges[1::2]
    minutes = motion.frames / motion.fps / 60.0
    return {
        "blinks_a_minute": len(starts) / minutes,
        "longest_blink_s": float((ends - starts).max() / motion.fps) if len(starts) else 0.0,
        "interval_median_s": float(np.median(np.diff(starts)) / motion.fps),
    }


def head(motion: Motion) -> dict[str, float]:
    """How far, how fast, and whether it drifts away."""
    degrees = torch.rad2deg(motion.head_rotation)
    speed = degrees.diff(dim=0).norm(dim=1) * motion.fps
    out = {}
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        track = degrees[:, axis]
        out[f"{name}_deviation"] = float(track.std())
        out[f"{name}_range_95"] = float(track.quantile(0.975) - track.quantile(0.025))
    means = torch.stack([part.mean(0) for part in degrees.chunk(5)])
    return out | {
        "speed_mean": float(speed.mean()),
        "speed_95": float(speed.quantile(0.95)),
        "speed_most": float(speed.max()),
        "drift": float((means.amax(0) - means.amin(0)).max()),
    }


def as_people_do(motion: Motion) -> dict[str, float]:
    """Medians over pieces of ten seconds, as SPEAKERS has them, and how many lie within."""
    degrees = torch.rad2deg(motion.head_rotation).numpy()
    smooth = gaussian_filter1d(degrees, SMOOTH_S * motion.fps, axis=0)
    length = round(PIECE_S * motion.fps)
    rows = []
    for start in range(0, len(smooth) - length + 1, length):
        piece = smooth[start : start + length]
        speed = np.linalg.norm(np.diff(piece, axis=0), axis=1) * motion.fps
        rows.append([*piece.std(0), *np.ptp(piece, axis=0), speed.mean(), np.percentile(speed, 95)])
    medians = np.median(np.array(rows), axis=0)
    out = {name: float(value) for name, value in zip(SPEAKERS, medians, strict=True)}
    within = [low <= out[name] <= high for name, (low, high) in SPEAKERS.items()]
    return out | {"within_share": float(np.mean(within))}


def takes(model: AudioToMotion, speech: Tensor, seeds: int) -> dict[str, float]:
    """How alike takes of different seeds are, as mean correlations over pairs."""
    made = [motion_from_audio(model, speech, SAMPLE_RATE, seed=seed) for seed in range(seeds)]
    again = motion_from_audio(model, speech, SAMPLE_RATE, seed=0)
    mouth = [ARKIT_INDEX[n] for n in ("jawOpen", "mouthPucker", "mouthFunnel", "mouthClose")]
    brow = [ARKIT_INDEX[n] for n in ("browInnerUp", "browOuterUpLeft")]

    def alike(tracks: list[Tensor]) -> float:
        found = []
        for a, b in combinations(tracks, 2):
            for one, other in zip(a.T, b.T, strict=True):
                found.append(float(torch.corrcoef(torch.stack([one, other]))[0, 1]))
        return float(np.nanmean(found))

    return {
        "lips": alike([m.coefficients[:, mouth] for m in made]),
        "lip_opening": alike([lip_gap(m.coefficients)[:, None] for m in made]),
        "head": alike([m.head_rotation for m in made]),
        "brows": alike([m.coefficients[:, brow] for m in made]),
        "same_seed_is_identical": float(
            torch.equal(made[0].coefficients, again.coefficients)
            and torch.equal(made[0].head_rotation, again.head_rotation)
        ),
    }


def seams(motions: list[Motion]) -> dict[str, float]:
    """Steps of several takes at the windows' ends beside the 99.5th percentile elsewhere.

    Where windows leave no seam, steps at their ends lie above it as often as others: 0.5 %.
    """
    above: dict[str, list[float]] = {"head": [], "face": []}
    most: dict[str, list[float]] = {"head": [], "face": []}
    for motion in motions:
        tracks = {
            "head": torch.rad2deg(motion.head_rotation).diff(dim=0).norm(dim=1),
            "face": motion.coefficients.diff(dim=0).abs().amax(1),
        }
        steps = motion.frames - 1
        ends = {
            round(k * window * motion.fps) - 1 + off
            for window in WINDOW_S
            for k in range(1, int(motion.frames / motion.fps / window) + 1)
            for off in (-1, 0, 1)
        }
        at = torch.tensor(sorted(end for end in ends if 0 <= end < steps))
        inside = torch.ones(steps, dtype=torch.bool)
        inside[at] = False
        for name, track in tracks.items():
            usual = float(track[inside].quantile(0.995))
            above[name] += (track[at] > usual).float().tolist()
            most[name].append(float(track[at].max()) / usual)
    out = {"steps": float(len(above["head"]))}
    for name in above:
        out[f"{name}_above_share"] = float(np.mean(above[name]))
        out[f"{name}_most_over_usual"] = float(np.median(most[name]))
    return out


def hour(model: AudioToMotion, paths: list[Path]) -> dict[str, float]:
    """Seconds of sound a second, and memory above what was used before, on 60 minutes."""
    speech = repeated(paths, 3600.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    motion_from_audio(model, speech, SAMPLE_RATE)
    return {
        "times_real_time": 3600.0 / (time.perf_counter() - start),
        "times_real_time_of_cpu_time": 3600.0 / (time.process_time() - busy),
        "memory_above_start_gb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        / 2**20,
        "threads": float(torch.get_num_threads()),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "audio_to_motion.safetensors")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hour", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model = AudioToMotion.from_checkpoint(args.weights)
    speech = repeated(args.speech, args.minutes * 60.0)
    motion = motion_from_audio(model, speech, SAMPLE_RATE, fps=FPS)
    more = [
        motion_from_audio(model, speech, SAMPLE_RATE, fps=FPS, seed=seed)
        for seed in range(1, args.seeds)
    ]
    still = motion_from_audio(model, torch.zeros(60 * SAMPLE_RATE), SAMPLE_RATE, fps=FPS)
    short = speech[: 60 * SAMPLE_RATE]
    results = {
        "blinks": blinks(motion),
        "head": head(motion),
        "head beside people's": as_people_do(motion),
        "head when nobody speaks": head(still),
        "takes": takes(model, short, args.seeds),
        "seams": seams([motion, *more]),
    }
    if args.hour:
        results["hour"] = hour(model, args.speech)
    rounded = {k: {n: round(v, 4) for n, v in part.items()} for k, part in results.items()}
    if args.out:
        args.out.write_text(json.dumps(rounded, indent=1) + "\n")
    print(json.dumps(rounded, indent=1))


if __name__ == "__main__":
    main()
