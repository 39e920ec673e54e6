"""Does the fusion know more than words or voice alone, and does it notice contradictions?

    python -m synchrorama.benchmarks.emotion_fusion --goemotions DIR --emodb DIR
        [--weights FILE] [--out FILE.json]

Pairs are sentences of GoEmotions' dev part with one label and whole recordings of emodb's speakers
13 and 14, none of which the fusion, the text or the speech network was trained on. Frame by frame
the shipped text, speech and valence–arousal estimates are fused; what is asked is the mean over the
recording. Six classes, each as often as the others.

Agreeing pairs have the same label. Contradictory ones have any two labels, as the figure is asked;
beside it stand those without neutral, which contradicts nothing by itself, and those of a happy and
an unpleasant label. "Right" is the share of each class that is found (unweighted recall).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models.checkpoint import WEIGHTS
from ..models.emotion.fusion import MODALITIES, EmotionFusion
from ..models.emotion.speech_emotion import SpeechEmotion
from ..models.emotion.text import BuiltinJudge
from ..models.emotion.text_model import TextEmotion
from ..models.types import EMOTIONS
from ..training.emotion_banks import speech_banks, text_bank
from ..training.emotion_fusion import answer
from ..training.emotion_pairs import SHARED, Bank, Batch, choose, paired
from ..training.speech_examples import TEST_SPEAKERS
from ..training.text_emotion import read_corpus
from .calibration import calibration_error
from .common import RESULTS, machine, write_result

PAIRS = 6000
NEUTRAL, HAPPY = EMOTIONS.index("neutral"), EMOTIONS.index("happy")


def recall(scores: Tensor, label: Tensor) -> float:
    """Mean over the labels of the share that is right; scores [N, 8], label [N]."""
    right = (scores.argmax(1) == label).float()
    return float(torch.stack([right[label == one].mean() for one in label.unique()]).mean())


def auc(high: Tensor, low: Tensor) -> float:
    """The odds that a random one of `high` [N] is above a random one of `low` [K]."""
    rank = torch.cat([high, low]).double().argsort().argsort().double()[: len(high)] + 1.0
    return float((rank.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


@torch.no_grad()
def over_clips(
    model: EmotionFusion, banks: dict[str, Bank], sentence: Tensor, recording: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
    """Means over the frames of each recording.

    Args:
        model: The fusion.
        banks: As of `training.emotion_pairs.read_banks`.
        sentence: [B] places in the clips of "text".
        recording: [B] places in the clips of "speech".

    Returns:
        Scores [B, 8] of each estimate and of the "fusion", its confidence [B], and the labels of
        words [B] and voices [B].
    """
    first, count = (one[recording] for one in banks["speech"].clips())
    pair = torch.arange(len(first)).repeat_interleave(count)
    within = torch.arange(len(pair)) - (count.cumsum(0) - count)[pair]
    words = banks["text"].clips()[0][sentence]
    batch = paired(banks, words[pair], first[pair] + within)
    parts = [Batch(*rows) for rows in zip(*(one.split(8192) for one in vars(batch).values()),
                                          strict=True)]  # fmt: skip
    told = [answer(model, part) for part in parts]

    def mean(values: Tensor) -> Tensor:
        total = values.new_zeros(len(first), *values.shape[1:]).index_add(0, pair, values)
        return total / count.view(-1, *[1] * (values.ndim - 1))

    scores = {kind: mean(batch.scores[:, i]) for i, kind in enumerate(MODALITIES[:3])}
    scores["fusion"] = mean(torch.cat([one for one, _, _ in told]))
    sure = mean(torch.cat([one for _, _, one in told]))
    return scores, sure, banks["text"].label[words], banks["speech"].label[first]


def measure(model: EmotionFusion, banks: dict[str, Bank], seed: int = 1) -> dict[str, Any]:
    """Figures of a fusion on banks that it was not trained on.

    Args:
        model: The fusion.
        banks: As of `training.emotion_pairs.read_banks`.
        seed: Of the pairs.
    """
    chance = torch.Generator().manual_seed(seed)
    scores, sure, label, _ = over_clips(model, banks, *choose(banks, PAIRS, 1.0, chance))
    _, torn, read, heard = over_clips(model, banks, *choose(banks, PAIRS, 0.0, chance))
    right = scores["fusion"].argmax(1) == label
    found = {kind: recall(value, label) for kind, value in scores.items()}
    single = max(found[kind] for kind in MODALITIES[:3])
    emotional, plain = (read != NEUTRAL) & (heard != NEUTRAL), label != NEUTRAL
    opposite = emotional & ((read == HAPPY) != (heard == HAPPY))
    by_class = {
        EMOTIONS[one]: {
            "right": float(right[label == one].float().mean()),
            "confidence agreeing": float(sure[label == one].mean()),
            "confidence contradicted": float(torn[(read == one) | (heard == one)].mean()),
        }
        for one in SHARED
    }
    figures: dict[str, Any] = {
        "right": found,
        "product of text and speech, nothing trained": recall(
            (scores["text"].clamp_min(1e-3) * scores["speech"].clamp_min(1e-3)), label
        ),
        "gain over the best estimate": found["fusion"] - single,
        "auc agreeing against any other label": auc(sure, torn),
        "auc without neutral": auc(sure[plain], torn[emotional]),
        "auc happy against unpleasant": auc(sure[plain], torn[opposite]),
        "auc right against wrong, agreeing": auc(sure[right], sure[~right]),
        "confidence agreeing": float(sure.mean()),
        "confidence contradictory": float(torn.mean()),
        "calibration error, half of the pairs agreeing": calibration_error(
            torch.cat([sure, torn]), torch.cat([right, torch.zeros_like(right)])
        ),
        "classes": by_class,
    }
    return figures


def dev_banks(goemotions: Path, emodb: Path) -> dict[str, Bank]:
    """What the shipped networks make of the dev part and of the speakers that never trained."""
    text = text_bank(
        BuiltinJudge(TextEmotion.from_checkpoint()), read_corpus(goemotions / "original_dev.tsv")
    )
    listener = SpeechEmotion.from_checkpoint()
    speech, point = speech_banks(dict.fromkeys(TEST_SPEAKERS, listener), emodb / "wav")
    return {"text": text, "speech": speech, "valence_arousal": point}


def rounded(value: Any) -> Any:
    """The same with three digits after the point."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 3)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--goemotions", type=Path, required=True)
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "emotion_fusion.safetensors")
    parser.add_argument("--out", type=Path, default=RESULTS / "emotion_fusion.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    banks = dev_banks(args.goemotions, args.emodb)
    result = {
        "machine": machine(),
        **rounded(measure(EmotionFusion.from_checkpoint(args.weights), banks)),
    }
    write_result(args.out, result)
    print(args.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
