"""Does a face show what an actor's voice feels, when nobody tells it?

    python benchmarks/emotion_acted.py --emodb DIR [PICTURE ...] [--out FILE.json]

emodb's happy, angry and neutral recordings of speakers 13 and 14, who taught no network. Each voice
is estimated and fused without words as the workflow emotion_estimate does, moves a portrait
(portraits take turns), and every fourth motion frame is read by the landmarker. "d" is Cohen's d of
an action unit's mean over a recording, happy or angry against neutral: their difference in pooled
standard deviations, with the portrait's own reading taken off first. Needed: 0.5 in units of the
emotion's prototype.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, SAMPLE_PORTRAIT, Studio, machine, write_result
from synchrorama.models.media import read_audio
from synchrorama.models.motion.action_units import ACTION_UNITS, action_units, prototypes
from synchrorama.models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from synchrorama.models.motion.dials import Dials
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.talk import feel
from synchrorama.models.types import EMOTIONS
from torch import Tensor

SPEAKERS = ("13", "14")
LETTERS = {"F": "happy", "W": "angry", "N": "neutral"}
STRIDE, CHUNK = 4, 8
NEEDED = 0.5
DIALS = Dials(head=0.0, blinks=0.0, gaze=0.0)


class Face:
    """A portrait and what the landmarker reads from it."""

    def __init__(self, studio: Studio, path: Path) -> None:
        self.landmarker = studio.landmarker
        self.portrait = studio.portrait(path)
        self.frames = MotionFrames(studio.head, self.portrait)
        self.own = self.units(self.portrait.head.expression[None])

    def units(self, coefficients: Tensor) -> Tensor:
        """Mean action units [A] of the frames drawn from coefficients [T, 52]."""
        seen = []
        for one in coefficients.split(CHUNK):
            still = torch.zeros(len(one), 3)
            for face in self.landmarker.track(self.frames.draw(one, still, still)):
                if face is None:
                    raise RuntimeError("The landmarker lost the face in a motion frame.")
                seen.append(action_units(face.coefficients))
        return torch.stack(seen).mean(0)


def effect(some: Tensor, others: Tensor) -> Tensor:
    """Cohen's d of each column, [A], between [M, A] and [N, A]."""
    pooled = ((len(some) - 1) * some.var(0) + (len(others) - 1) * others.var(0)) / (
        len(some) + len(others) - 2
    )
    return (some.mean(0) - others.mean(0)) / pooled.sqrt().clamp(min=1e-6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "emotion_acted.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    studio = Studio()
    audio_to_motion = AudioToMotion.from_checkpoint()
    clips = [
        path
        for path in sorted((arguments.emodb / "wav").glob("*.flac"))
        if path.stem[:2] in SPEAKERS and path.stem[5] in LETTERS
    ]
    rows: dict[str, list[Tensor]] = {name: [] for name in LETTERS.values()}
    shown: dict[str, list[float]] = {name: [] for name in LETTERS.values()}
    with torch.inference_mode():
        faces = [Face(studio, path) for path in arguments.pictures]
        for number, path in enumerate(clips):
            face, acted = faces[number % len(faces)], LETTERS[path.stem[5]]
            waveform, sample_rate = read_audio(path)
            emotion = feel(waveform, sample_rate)
            motion = motion_from_audio(
                audio_to_motion,
                waveform,
                sample_rate,
                rest=face.portrait.head.expression,
                emotion=emotion,
                dials=DIALS,
            )
            rows[acted].append(face.units(motion.coefficients[2::STRIDE]) - face.own)
            shown[acted].append(float(emotion.scores[:, EMOTIONS.index(acted)].mean()))
            print(path.stem, acted, f"{shown[acted][-1]:.2f}", flush=True)
    units = {name: torch.stack(found) for name, found in rows.items()}
    result: dict[str, Any] = {**machine(), "portraits": len(faces)}
    for name, found in units.items():
        result[name] = {"clips": len(found), "estimated": round(sum(shown[name]) / len(found), 3)}
        if name == "neutral":
            continue
        d = effect(found, units["neutral"])
        wanted = (prototypes()[EMOTIONS.index(name)] > 0).nonzero()[:, 0].tolist()
        result[name]["d"] = {f"AU{ACTION_UNITS[u]}": round(float(d[u]), 2) for u in wanted}
        result[name]["enough"] = sum(float(d[u]) >= NEEDED for u in wanted)
    print(result)
    write_result(arguments.out, result)


if __name__ == "__main__":
    main()
