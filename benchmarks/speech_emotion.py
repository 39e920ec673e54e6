"""How well emotion is heard in voices that the network was not trained on.

    python -m synchrorama.benchmarks.speech_emotion --emodb DIR --inputs DIR
        [--weights FILE ...] [--folds FILE.json] [--out FILE.json]

The test is emodb's speakers 13 and 14: clean, with noise 10 dB below the speech, and by telephone.
Several --weights are ensembles of other seeds, of which the first is the one that ships. --folds
is the report that training.speech_emotion wrote about speakers left out one by one. --inputs holds
read speech (*.wav), which should be neutral.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from scipy.stats import rankdata
from torch import Tensor

from ..models.checkpoint import WEIGHTS
from ..models.emotion.fusion import TINY, EmotionFusion
from ..models.emotion.speech_emotion import CLASSES, SpeechEmotion, frame_features, to_emotions
from ..models.emotion.speech_windows import emotion_from_speech, valence_arousal_from_speech
from ..models.speech import HOP
from ..models.types import EMOTIONS
from ..training.augment import noise, telephone
from ..training.speech_emotion import confusion, recall
from ..training.speech_examples import LETTERS, LONGEST, TEST_SPEAKERS, load, window
from .calibration import calibration_error

EXCITED, CALM = "WAF", "TLN"
STEP = 4000  # samples between windows of read speech
NEUTRAL = EMOTIONS.index("neutral")


def auc(low: Tensor, high: Tensor) -> float:
    """Probability that one of `high` is greater than one of `low`."""
    ranks = rankdata(torch.cat([low, high]).numpy())
    above = ranks[len(low) :].sum() - len(high) * (len(high) + 1) / 2
    return float(above / (len(low) * len(high)))


def test_windows(emodb: Path) -> tuple[dict[str, list[Tensor]], Tensor]:
    """Features [L, 82] of the test in three conditions, and its labels [N]."""
    chance = np.random.default_rng(0)
    windows: dict[str, list[Tensor]] = {"clean": [], "noise 10 dB": [], "telephone": []}
    labels = []
    for file in sorted((emodb / "wav").glob("*.flac")):
        samples = load(file)
        if file.stem[:2] not in TEST_SPEAKERS or len(samples) < LONGEST // 4:
            continue
        first = window(samples)
        sounds = (first, noise(first, 10.0, chance), telephone(first))
        for kind, sound in zip(windows, sounds, strict=True):
            windows[kind].append(frame_features(torch.from_numpy(np.ascontiguousarray(sound))))
        labels.append(LETTERS.index(file.stem[5]))
    return windows, torch.tensor(labels)


@torch.no_grad()
def ask(model: SpeechEmotion, windows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Probabilities [N, 7] and valence–arousal [N, 2] of windows of any length."""
    said = [model(frames[None]) for frames in windows]
    return torch.cat([one for one, _ in said]), torch.cat([two for _, two in said])


def measure(
    model: SpeechEmotion, windows: dict[str, list[Tensor]], label: Tensor
) -> dict[str, Any]:
    """Figures of one ensemble over the test."""
    out: dict[str, Any] = {}
    for kind, some in windows.items():
        probabilities, point = ask(model, some)
        calm, excited = (
            torch.tensor([LETTERS[i] in group for i in label.tolist()]) for group in (CALM, EXCITED)
        )
        right = probabilities.argmax(1) == label
        out[kind] = {
            "recall": round(recall(probabilities, label), 4),
            "accuracy": round(float(right.float().mean()), 4),
            "arousal_auc": round(auc(point[calm, 1], point[excited, 1]), 4),
            "calibration_error": round(calibration_error(probabilities.amax(1), right), 4),
        }
        if kind == "clean":
            out["confusion"] = confusion(probabilities, label)
    return out


def read_speech(model: SpeechEmotion, folder: Path) -> dict[str, float]:
    """Share of the windows of each recording in which neutral wins, and of all."""
    out, everything = {}, []
    for file in sorted(folder.glob("*.wav")):
        samples = load(file)
        features = frame_features(torch.from_numpy(samples))
        starts = range(0, max(1, len(samples) - LONGEST + 1), STEP)
        windows = [features[i // HOP : (i + LONGEST) // HOP] for i in starts]
        wins = to_emotions(ask(model, windows)[0]).argmax(1) == NEUTRAL
        out[file.stem] = round(float(wins.float().mean()), 4)
        everything.append(wins)
    out["all"] = round(float(torch.cat(everything).float().mean()), 4)
    return out


def speed(model: SpeechEmotion, folder: Path) -> dict[str, float]:
    """Seconds of speech a second of work, for both nodes, over the longest recording."""
    file = max(folder.glob("*.wav"), key=lambda path: path.stat().st_size)
    samples, rate = soundfile.read(file, dtype="float32")
    waveform = torch.from_numpy(samples)
    fusion = EmotionFusion(TINY).train(False)
    out = {}
    for name, estimate in (
        ("emotion", emotion_from_speech),
        ("valence_arousal", valence_arousal_from_speech),
    ):
        best = 0.0
        for _ in range(3):
            began = time.monotonic()
            estimate(model, fusion, waveform, int(rate))
            best = max(best, len(samples) / rate / (time.monotonic() - began))
        out[name] = round(best, 1)
    return out


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    default = WEIGHTS / "speech_emotion.safetensors"
    parser.add_argument("--weights", type=Path, nargs="*", default=[default])
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    models = [SpeechEmotion.from_checkpoint(path) for path in args.weights]
    windows, label = test_windows(args.emodb)
    seeds = [measure(model, windows, label) for model in models]
    result: dict[str, Any] = {
        "classes": [name for name, _ in CLASSES],
        "test_recordings": len(label),
        "recall_mean_of_seeds": {
            kind: round(float(np.mean([seed[kind]["recall"] for seed in seeds])), 4)
            for kind in windows
        },
        "seeds": seeds,
        "read_speech_neutral": [read_speech(model, args.inputs) for model in models],
        "times_real_time": {"threads": args.threads, **speed(models[0], args.inputs)},
    }
    if args.folds:
        result["left_out_speakers"] = json.loads(args.folds.read_text())
    print(json.dumps(result, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
