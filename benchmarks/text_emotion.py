"""Is the emotion of words read right, honestly and quickly?

    python -m synchrorama.benchmarks.text_emotion --data GOEMOTIONS [--weights FILE] [--out FILE]

GoEmotions' dev part, grouped to six emotions and neutral as in its paper: F1 of each group at the
thresholds chosen on a part of train, needed is a macro-F1 of 0.60. As the node reports it, a class
a sentence: how often it is among the true ones, a confusion matrix over the sentences with one true
group, and the expected calibration error of the confidence over 10 bins, needed is 0.08. How well
valence parts the sentences with only pleasant from those with only unpleasant groups (area under
the curve). The 40 sentences of data/dialogue.tsv: needed are 65 % right, and at most 5 % wrong with
a confidence above 0.8. Milliseconds a sentence on one core, one by one: needed are 5.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models.checkpoint import WEIGHTS
from ..models.emotion.circumplex import to_valence_arousal
from ..models.emotion.text import BuiltinJudge
from ..models.emotion.text_model import GROUPS, TextEmotion
from ..models.types import EMOTIONS
from ..training.text_emotion import Corpus, group_f1, read_corpus
from .calibration import calibration_error
from .common import RESULTS, machine, write_result

DIALOGUE = Path(__file__).parent / "data" / "dialogue.tsv"
COLUMNS = [EMOTIONS.index(group) for group in GROUPS]


def area(positive: Tensor, negative: Tensor) -> float:
    """Share of pairs in which the positive one is higher, ties count half."""
    gap = positive[:, None] - negative[None]
    return float(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())


def on_dev(judge: BuiltinJudge, dev: Corpus) -> dict[str, Any]:
    """Figures on the dev part."""
    truth = dev.groups
    probability, _ = judge.groups(dev.texts)
    f1 = group_f1(probability, truth, torch.tensor(judge.model.config.thresholds))
    judged = judge(dev.texts)
    said = judged.scores[:, COLUMNS].argmax(1)
    right = truth.gather(1, said[:, None])[:, 0]
    single = truth.sum(1) == 1
    matrix = torch.zeros(len(GROUPS), len(GROUPS), dtype=torch.int64)
    for a, b in zip(truth[single].int().argmax(1), said[single], strict=True):
        matrix[a, b] += 1
    recall = matrix.diag() / matrix.sum(1)
    valence = to_valence_arousal(judged.scores)[:, 0]
    happy = truth[:, GROUPS.index("happy")]
    low = truth[:, [GROUPS.index(g) for g in ("angry", "disgusted", "fearful", "sad")]].any(1)
    return {
        "sentences": len(dev.texts),
        "macro_f1": round(float(f1.mean()), 4),
        "f1": {g: round(float(v), 3) for g, v in zip(GROUPS, f1, strict=True)},
        "thresholds": dict(zip(GROUPS, judge.model.config.thresholds, strict=True)),
        "one_class_right": round(float(right.float().mean()), 4),
        "one_class_unweighted_recall": round(float(recall.mean()), 4),
        "calibration_error": round(calibration_error(judged.confidence, right), 4),
        "valence_auc": round(area(valence[happy & ~low], valence[low & ~happy]), 4),
        "confusion": [
            {"true": g, **dict(zip(GROUPS, row.tolist(), strict=True))}
            for g, row in zip(GROUPS, matrix, strict=True)
        ],
    }


def on_dialogue(judge: BuiltinJudge, path: Path = DIALOGUE) -> dict[str, Any]:
    """Figures on the sentences of dialogue, and those that were read wrong."""
    rows = [
        line.split("\t")
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ][1:]
    judged = judge([text for _, text in rows])
    said = [EMOTIONS[i] for i in judged.scores.argmax(1).tolist()]
    wrong = [
        {"true": name, "said": got, "confidence": round(sure, 3), "text": text}
        for (name, text), got, sure in zip(rows, said, judged.confidence.tolist(), strict=True)
        if name != got
    ]
    strong = sum(row["confidence"] > 0.8 for row in wrong)
    return {
        "sentences": len(rows),
        "right": round(1.0 - len(wrong) / len(rows), 4),
        "wrong_above_0.8": round(strong / len(rows), 4),
        "wrong": wrong,
    }


def speed(judge: BuiltinJudge, texts: list[str]) -> dict[str, float]:
    """Milliseconds of one core a sentence, one at a time and all together."""
    judge(texts[:20])
    single = []
    for text in texts:
        start = time.process_time()
        judge([text])
        single.append(1000.0 * (time.process_time() - start))
    start = time.process_time()
    judge(texts)
    together = 1000.0 * (time.process_time() - start) / len(texts)
    return {
        "ms_one_by_one": round(statistics.median(single), 3),
        "ms_together": round(together, 3),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "text_emotion.safetensors")
    parser.add_argument("--out", type=Path, default=RESULTS / "text_emotion.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = BuiltinJudge(TextEmotion.from_checkpoint(args.weights))
    dev = read_corpus(args.data / "original_dev.tsv")
    measured, dialogue = on_dev(judge, dev), on_dialogue(judge)
    confusion, wrong = measured.pop("confusion"), dialogue.pop("wrong")
    result = {
        "machine": machine(),
        "megabytes": round(args.weights.stat().st_size / 1e6, 3),
        "speed": speed(judge, dev.texts[:300]),
        "dev": measured,
        "dialogue": dialogue,
        "confusion": confusion,
        "dialogue_wrong": wrong,
    }
    write_result(args.out, result)
    print(args.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
