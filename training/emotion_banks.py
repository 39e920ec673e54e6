"""Estimates of the shipped networks on what they were not trained on, to train the fusion.

    python -m synchrorama.training.emotion_banks --goemotions DIR --emodb DIR --out FILE

Text: GoEmotions' development sentences with one label, every other one held out. Speech: frames of
emodb's speaker 13, to train the fusion with, and of 14, held out. Boredom is left out: no text is
labelled with it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..models.emotion.circumplex import to_valence_arousal
from ..models.emotion.fusion import EmotionFusion
from ..models.emotion.speech_emotion import SpeechEmotion
from ..models.emotion.speech_windows import emotion_from_speech, valence_arousal_from_speech
from ..models.emotion.text import BuiltinJudge
from ..models.emotion.text_model import GROUPS, TextEmotion, group_table
from ..models.media import read_audio
from ..models.types import EMOTIONS, Emotion
from .emotion_fusion import UNSURE, Bank

FPS = 8.0  # frames of speech a second that go into the bank
SPEAKERS = ("13", "14")  # group 0, group 1
LETTERS = {
    "W": "angry",
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
}


def text_bank(judge: BuiltinJudge, tsv: Path) -> Bank:
    """What the classifier makes of the sentences of a GoEmotions file that have one label."""
    rows = [line.split("\t") for line in tsv.read_text(encoding="utf-8").splitlines()]
    single = [(row[0], int(row[1])) for row in rows if row[1].isdigit()]
    judged = judge([text for text, _ in single])
    groups = group_table().argmax(1)
    label = [EMOTIONS.index(GROUPS[int(groups[index])]) for _, index in single]
    return Bank(
        scores=judged.scores,
        valence_arousal=to_valence_arousal(judged.scores),
        confidence=judged.confidence,
        label=torch.tensor(label),
        group=torch.arange(len(single)) % 2,
    )


def speech_banks(listener: SpeechEmotion, wav: Path) -> tuple[Bank, Bank]:
    """What the network makes of emodb's files: as classes, and as valence and arousal."""
    fusion = EmotionFusion()  # its Z_emo is not used
    estimates: list[tuple[Emotion, Emotion]] = []
    labels: list[int] = []
    groups: list[int] = []
    for file in sorted(wav.glob("*.flac")):
        speaker, letter = file.stem[:2], file.stem[5]
        if speaker not in SPEAKERS or letter not in LETTERS:
            continue
        waveform, rate = read_audio(file)
        speech = emotion_from_speech(listener, fusion, waveform, rate, fps=FPS)
        point = valence_arousal_from_speech(listener, fusion, waveform, rate, fps=FPS)
        estimates.append((speech, point))
        labels.append(EMOTIONS.index(LETTERS[letter]))
        groups.append(SPEAKERS.index(speaker))
    heard = torch.cat([speech.confidence for speech, _ in estimates]) > UNSURE
    count = torch.tensor([len(speech.confidence) for speech, _ in estimates])
    label, group = (torch.tensor(one).repeat_interleave(count)[heard] for one in (labels, groups))
    banks = []
    for kind in zip(*estimates, strict=True):
        told = [
            torch.cat([getattr(emotion, field) for emotion in kind])[heard]
            for field in ("scores", "valence_arousal", "confidence")
        ]
        banks.append(Bank(*told, label.clone(), group.clone()))
    return banks[0], banks[1]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--goemotions", type=Path, required=True)
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    judge = BuiltinJudge(TextEmotion.from_checkpoint())
    text = text_bank(judge, arguments.goemotions / "original_dev.tsv")
    speech, point = speech_banks(SpeechEmotion.from_checkpoint(), arguments.emodb / "wav")
    banks = {"text": text, "speech": speech, "valence_arousal": point}
    save_file(
        {f"{kind}.{name}": v for kind, bank in banks.items() for name, v in vars(bank).items()},
        arguments.out,
    )
    for kind, bank in banks.items():
        print(f"{kind}: {len(bank.label)} estimates, {len(bank.of(1).label)} of them held out")


if __name__ == "__main__":
    main()
