"""Do faces in motion frames show the emotion they were told to show?

    python benchmarks/emotion_faces.py [PICTURE ...] [--speech FILE] [--diffusion]
        [--frames DIR] [--readings FILE.csv] [--out FILE.json]

Each portrait says the same 2.4 s neutrally and with each of seven emotions by hand, at strengths
0.5 and 1. Every fourth motion frame is read by the landmarker, its scores become action units, and
their means over the frames are compared with the neutral face's. --diffusion reads frames that the
built-in renderer refined.

Three units its scores do not know: cheekSquint, noseSneer and mouthDimple (6, 9, 14) stay below
0.01 whatever a real face does. Another reader of action units may say them: --frames keeps the
frames as DIR/PICTURE/EMOTION_STRENGTH/*.png, and --readings takes its means over the frames of each
such folder, a line each: picture, emotion, strength, AU6, AU9, AU14, from 0 to 1 for intensities
from 0 to 5 and below 0 where the reader goes there. OpenFace's regressions are one (Baltrusaitis
et al., "OpenFace 2.0", FG 2018).

"raised" counts the units of the emotion's prototype that rise by at least 0.15 (contempt, which one
side alone shows, is read on that side); "read" is the prototype that lies nearest to the rise
(`models.motion.action_units.read_emotion`). Needed: two units on each, 80 % read right, and at half
strength a rise between neutral and full strength.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, SAMPLE_PORTRAIT, SAMPLE_SPEECH, Studio, machine, write_result
from PIL import Image
from synchrorama.models.emotion.direct import direct_emotion, parse_direction
from synchrorama.models.emotion.fusion import EmotionFusion
from synchrorama.models.media import read_audio
from synchrorama.models.motion.action_units import (
    ACTION_UNITS,
    action_units,
    prototypes,
    read_emotion,
)
from synchrorama.models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from synchrorama.models.motion.dials import Dials
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.render.sample import Sampling
from synchrorama.models.render.weights import BUILTIN_FILE, Renderer, load_renderer
from synchrorama.models.talk import diffused
from synchrorama.models.types import ARKIT_NAMES, EMOTIONS, Portrait
from torch import Tensor

SECONDS, FPS, STRIDE = 2.4, 25.0, 4
NEEDED_RISE, NEEDED_UNITS, NEEDED_RIGHT = 0.15, 2, 0.8
DIALS = Dials(head=0.0, blinks=0.0, gaze=0.0)
RIGHT_ONLY = "contemptuous"
UNSCORED = (6, 9, 14)  # units that the landmarker scores 0 on real faces too
Readings = dict[tuple[str, str, float], dict[int, float]]


class Speaker:
    """One portrait that says one sentence in any emotion."""

    def __init__(
        self,
        studio: Studio,
        portrait: Portrait,
        speech: Path,
        renderer: Renderer | None,
        keep: Path | None,
    ) -> None:
        self.studio = studio
        self.keep = keep
        self.renderer = renderer
        self.portrait = portrait
        self.frames = MotionFrames(studio.head, portrait)
        self.audio_to_motion = AudioToMotion.from_checkpoint()
        self.fusion = EmotionFusion.from_checkpoint()
        waveform, self.sample_rate = read_audio(speech)
        self.waveform = waveform[..., : round(SECONDS * self.sample_rate)]

    def scores(self, emotion: str, strength: float) -> Tensor:
        """Mean scores [52] that the landmarker reads from its frames."""
        keys = parse_direction(f"{emotion} {strength}")
        felt = direct_emotion(self.fusion, keys, round(SECONDS * FPS), FPS)
        motion = motion_from_audio(
            self.audio_to_motion,
            self.waveform,
            self.sample_rate,
            fps=FPS,
            rest=self.portrait.head.expression,
            emotion=felt,
            dials=DIALS,
        )
        drawn = self.frames.render(motion)
        if self.renderer is not None:
            speech = (self.waveform, self.sample_rate)
            drawn = diffused(
                drawn,
                self.renderer,
                Sampling(),
                self.studio.head,
                self.portrait,
                motion,
                felt,
                speech,
                torch.device("cpu"),
            )
        looked_at = torch.cat(list(drawn))[2::STRIDE]
        if self.keep is not None:
            folder = self.keep / f"{emotion}_{strength:g}"
            folder.mkdir(parents=True, exist_ok=True)
            for number, frame in enumerate(looked_at):
                pixels = (frame.clamp(0, 1) * 255).round().byte().numpy()
                Image.fromarray(pixels).save(folder / f"{number:03}.png")
        seen = []
        for face in self.studio.landmarker.track(looked_at):
            if face is None:
                raise RuntimeError("The landmarker lost the face in a frame.")
            seen.append(face.coefficients)
        return torch.stack(seen).mean(0)


def units_of(scores: Tensor, emotion: str) -> Tensor:
    """Action units [A] of scores [52]; contempt's of the right side alone."""
    if emotion != RIGHT_ONLY:
        return action_units(scores)
    one_sided = scores.clone()
    for index, name in enumerate(ARKIT_NAMES):
        if name.endswith("Left"):
            one_sided[index] = scores[ARKIT_NAMES.index(name.replace("Left", "Right"))]
    return action_units(one_sided)


def read_table(path: Path) -> Readings:
    """What another reader says of UNSCORED, by picture, emotion and strength."""
    with path.open(newline="") as file:
        return {
            (row["picture"], row["emotion"], float(row["strength"])): {
                unit: float(row[f"AU{unit}"]) for unit in UNSCORED
            }
            for row in csv.DictReader(file)
        }


def check(speaker: Speaker, path: Path, readings: Readings) -> list[dict[str, Any]]:
    """A row for each emotion."""
    neutral = speaker.scores("neutral", 1.0)
    rows = []
    for number, emotion in enumerate(EMOTIONS):
        if emotion == "neutral":
            continue
        full, half = speaker.scores(emotion, 1.0), speaker.scores(emotion, 0.5)
        calm = units_of(neutral, emotion)
        rise, half_rise = units_of(full, emotion) - calm, units_of(half, emotion) - calm
        if readings:
            quiet = readings[path.stem, "neutral", 1.0]
            for moved, strength in ((rise, 1.0), (half_rise, 0.5)):
                for unit, value in readings[path.stem, emotion, strength].items():
                    moved[ACTION_UNITS.index(unit)] = value - quiet[unit]
        wanted = (prototypes()[number] > 0).nonzero()[:, 0].tolist()
        strongest = max(wanted, key=lambda unit: float(rise[unit]))
        row = {
            "picture": path.name,
            "emotion": emotion,
            "raised": sum(float(rise[unit]) >= NEEDED_RISE for unit in wanted),
            "read": EMOTIONS[int(read_emotion(full, neutral).argmax())],
            "between": 0.0 < float(half_rise[strongest]) < float(rise[strongest]),
            "rise": {f"AU{ACTION_UNITS[unit]}": round(float(rise[unit]), 2) for unit in wanted},
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--speech", type=Path, default=SAMPLE_SPEECH)
    parser.add_argument("--diffusion", action="store_true", help="refine the frames")
    parser.add_argument("--frames", type=Path, help="where to keep the frames")
    parser.add_argument("--readings", type=Path, help="what another reader says of 6, 9, 14")
    parser.add_argument("--out", type=Path, default=RESULTS / "emotion_faces.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    studio = Studio()
    renderer = load_renderer(BUILTIN_FILE) if arguments.diffusion else None
    readings = read_table(arguments.readings) if arguments.readings else {}
    rows = []
    with torch.inference_mode():
        for path in arguments.pictures:
            keep = arguments.frames / path.stem if arguments.frames else None
            portrait = studio.portrait(path)
            speaker = Speaker(studio, portrait, arguments.speech, renderer, keep)
            rows += check(speaker, path, readings)
    summary = {
        **machine(),
        "other_reader_of_6_9_14": bool(readings),
        "two_units_raised": sum(row["raised"] >= NEEDED_UNITS for row in rows),
        "read_right": sum(row["read"] == row["emotion"] for row in rows),
        "half_between": sum(row["between"] for row in rows),
        "of": len(rows),
    }
    summary["enough"] = (
        summary["two_units_raised"] == len(rows)
        and summary["read_right"] >= NEEDED_RIGHT * len(rows)
        and summary["half_between"] == len(rows)
    )
    print(summary)
    write_result(arguments.out, {"summary": summary, "rows": rows})


if __name__ == "__main__":
    main()
