"""Estimates by text and speech networks of what they were not trained on, to train the fusion.

    python -m synchrorama.training.emotion_banks --goemotions DIR --emodb DIR --left-out DIR
        --out FILE.safetensors

Text: the tenth of GoEmotions' train part that the shipped classifier was not trained on, sentences
with one label. Speech: emodb's six training speakers, each heard by a network that was trained
without them; --left-out is where `training.speech_emotion --folds --keep DIR` put these. The dev
part and speakers 13 and 14 take no part. Boredom is left out: no text is labelled with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..models.emotion.circumplex import to_valence_arousal
from ..models.emotion.fusion import EmotionFusion
from ..models.emotion.speech_emotion import SpeechEmotion
from ..models.emotion.speech_windows import emotion_from_speech, valence_arousal_from_speech
from ..models.emotion.text import BuiltinJudge
from ..models.emotion.text_model import GROUPS, TextEmotion
from ..models.media import read_audio
from ..models.types import EMOTIONS, Emotion
from .emotion_pairs import UNSURE, Bank
from .speech_examples import SPEAKERS
from .text_emotion import Corpus, read_corpus, split

FPS = 8.0  # frames of speech a second that go into the bank
LETTERS = {
    "W": "angry",
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
}


def text_bank(judge: BuiltinJudge, corpus: Corpus) -> Bank:
    """What the classifier makes of the sentences that have one label."""
    single = (corpus.labels.sum(1) == 1).nonzero()[:, 0].tolist()
    chosen = corpus.part(single)
    judged = judge(chosen.texts)
    names = torch.tensor([EMOTIONS.index(group) for group in GROUPS])
    return Bank(
        scores=judged.scores,
        valence_arousal=to_valence_arousal(judged.scores),
        confidence=judged.confidence,
        label=names[chosen.groups.int().argmax(1)],
        clip=torch.arange(len(single)),
    )


def speech_banks(listeners: Mapping[str, SpeechEmotion], wav: Path) -> tuple[Bank, Bank]:
    """What networks make of emodb's files: as classes, and as valence and arousal.

    Args:
        listeners: Which network hears which speaker; others are left out.
        wav: The folder of the recordings.
    """
    fusion = EmotionFusion().train(False)  # its Z_emo is not used
    estimates: list[tuple[Emotion, Emotion]] = []
    labels: list[int] = []
    for file in sorted(wav.glob("*.flac")):
        speaker, letter = file.stem[:2], file.stem[5]
        if speaker not in listeners or letter not in LETTERS:
            continue
        waveform, rate = read_audio(file)
        told = (listeners[speaker], fusion, waveform, rate)
        speech = emotion_from_speech(*told, fps=FPS)
        estimates.append((speech, valence_arousal_from_speech(*told, fps=FPS)))
        labels.append(EMOTIONS.index(LETTERS[letter]))
    heard = torch.cat([speech.confidence for speech, _ in estimates]) > UNSURE
    count = torch.tensor([len(speech.confidence) for speech, _ in estimates])
    label, clip = (
        one.repeat_interleave(count)[heard]
        for one in (torch.tensor(labels), torch.arange(len(labels)))
    )
    banks = []
    for kind in zip(*estimates, strict=True):
        rows = [
            torch.cat([getattr(emotion, field) for emotion in kind])[heard]
            for field in ("scores", "valence_arousal", "confidence")
        ]
        banks.append(Bank(*rows, label.clone(), clip.clone()))
    return banks[0], banks[1]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--goemotions", type=Path, required=True)
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--left-out", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = read_corpus(arguments.goemotions / "original_train.tsv")
    held = corpus.part(split(len(corpus.texts))[1])
    text = text_bank(BuiltinJudge(TextEmotion.from_checkpoint()), held)
    listeners = {
        speaker: SpeechEmotion.from_checkpoint(arguments.left_out / f"{speaker}.safetensors")
        for speaker in SPEAKERS
    }
    speech, point = speech_banks(listeners, arguments.emodb / "wav")
    banks = {"text": text, "speech": speech, "valence_arousal": point}
    save_file(
        {f"{kind}.{name}": v for kind, bank in banks.items() for name, v in vars(bank).items()},
        arguments.out,
    )
    for kind, bank in banks.items():
        print(f"{kind}: {len(bank.label)} estimates of {len(bank.clips()[0])} clips")


if __name__ == "__main__":
    main()
