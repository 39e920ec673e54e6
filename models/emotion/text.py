"""A transcript becomes an emotion: sentence by sentence, then frame by frame.

Shapes: B sentences, T video frames, G = 7 groups of labels, 8 classes in the order of EMOTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoint import CheckpointError
from ..huggingface import load_transformers, load_whole, read_config
from ..speech import frame_count, frame_times
from ..text_timing import TimedSentence, timed_sentences
from ..types import EMOTIONS, Emotion
from .circumplex import to_valence_arousal
from .fusion import EmotionFusion, embed
from .huggingface import class_map, labels
from .text_model import GROUPS, Reader, TextEmotion, group_table

NEUTRAL = EMOTIONS.index("neutral")
CHUNK = 64  # sentences judged at once
FADE = 0.4  # s, from one sentence's emotion to the next
SHOWN = 200  # sentences in the report
LANGUAGE = (0.4, 0.7)  # share of known words: below, nothing is judged; above, all of it


@dataclass(frozen=True, eq=False)
class Judgement:
    """What sentences express."""

    scores: Tensor  # [B, 8] in the order of EMOTIONS, rows sum to 1
    confidence: Tensor  # [B] 0..1, how likely the strongest class is right
    note: str = ""  # what the user should know about the model


Judge = Callable[[Sequence[str]], Judgement]


class BuiltinJudge:
    """Sentences by the classifier that ships with the pack; English only."""

    def __init__(self, model: TextEmotion) -> None:
        self.model = model
        self.reader = Reader(model.vocabulary, model.known_phrases, model.config.pieces)
        self.table = group_table()  # [28, G]
        self.hold_back = torch.tensor(model.config.prior).sqrt()  # [G]

    @torch.inference_mode()
    def groups(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Probability of each group [B, G] and the share of known words [B]."""
        device = self.model.by_phrase.bias.device
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        probability = torch.zeros(len(sentences), len(GROUPS))
        known = torch.zeros(len(sentences))
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            ids, units, share = self.reader.read([sentences[i] for i in part])
            fine = self.model.label_probabilities(ids.to(device), units.to(device)).cpu()
            probability[part] = fine @ self.table
            known[part] = share
        return probability, known

    def __call__(self, sentences: Sequence[str]) -> Judgement:
        """Classes of sentences; what cannot be judged is neutral with confidence 0.

        Common groups are held back by the square root of their share in the training data, which
        leaves accuracy as it is and finds the rare ones more often.
        """
        probability, known = self.groups(sentences)
        fair = probability / self.hold_back
        fair = fair / fair.sum(1, keepdim=True)
        sure = probability.gather(1, fair.argmax(1, keepdim=True))[:, 0]
        scores = torch.zeros(len(sentences), len(EMOTIONS))
        scores[:, [EMOTIONS.index(group) for group in GROUPS]] = fair
        low, high = LANGUAGE
        understood = ((known - low) / (high - low)).clamp(0.0, 1.0)
        neutral = torch.nn.functional.one_hot(torch.tensor(NEUTRAL), len(EMOTIONS)).float()
        scores = neutral + understood[:, None] * (scores - neutral)
        return Judgement(scores, sure * understood)


class FolderJudge:
    """Sentences by a Hugging Face text-classification folder."""

    def __init__(self, folder: Path) -> None:
        """Load the folder.

        Args:
            folder: With config.json, model.safetensors and the tokenizer's files.

        Raises:
            CheckpointError: It is no such folder, its weights are pickled or missing, its labels
                are not emotions, or transformers is not installed.
        """
        config = read_config(folder)
        kinds = config.get("architectures") or []
        hears = "conv_kernel" in config or "num_mel_bins" in config  # a model of sound
        if hears or not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
            raise CheckpointError(
                f"'{folder.name}' holds {', '.join(map(str, kinds)) or 'a model of no name'}, "
                "needed is a classifier of text (…ForSequenceClassification). Choose "
                "another folder."
            )
        self.table, unknown = class_map(labels(config), folder.name)
        self.several = config.get("problem_type") == "multi_label_classification"
        transformers = load_transformers()
        self.model = load_whole(transformers.AutoModelForSequenceClassification, folder)
        if self.model.config.num_labels != len(self.table):
            raise CheckpointError(
                f"'{folder.name}' gives {self.model.config.num_labels} answers but names "
                f"{len(self.table)} labels. Get its config.json again."
            )
        files = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
        try:
            if not any(next(folder.glob(name), None) for name in files):
                raise OSError("without files an empty tokenizer would be made")
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises what its many parts raise
            raise CheckpointError(
                f"'{folder.name}' has no tokenizer that can be read. Put tokenizer.json and "
                "tokenizer_config.json from the model's page beside its weights."
            ) from error
        self.note = f"Model: {folder.name}."
        if unknown:
            self.note += f" Labels that are no emotion known here: {', '.join(unknown)}."

    @torch.no_grad()
    def __call__(self, sentences: Sequence[str]) -> Judgement:
        """Classes of sentences; probability on unknown labels lowers the confidence."""
        device = next(self.model.parameters()).device
        longest = min(int(getattr(self.model.config, "max_position_embeddings", 514)) - 2, 512)
        scores = torch.zeros(len(sentences), len(EMOTIONS))
        confidence = torch.zeros(len(sentences))
        for start in range(0, len(sentences), CHUNK):
            part = list(sentences[start : start + CHUNK])
            coded = self.tokenizer(
                part, padding=True, truncation=True, max_length=longest, return_tensors="pt"
            )
            logits = self.model(**coded.to(device)).logits.float().cpu()
            odds = logits.sigmoid() if self.several else logits.softmax(-1)
            classes = odds @ self.table  # [b, 8]
            total = classes.sum(1, keepdim=True).clamp_min(1e-6)
            scores[start : start + len(part)] = classes / total
            confidence[start : start + len(part)] = classes.amax(1).clamp(0.0, 1.0)
        wordless = torch.tensor([not any(c.isalnum() for c in text) for text in sentences])
        neutral = torch.nn.functional.one_hot(torch.tensor(NEUTRAL), len(EMOTIONS)).float()
        scores = torch.where(wordless[:, None], neutral, scores)
        return Judgement(scores, confidence.masked_fill(wordless, 0.0), self.note)


def emotion_from_text(
    judge: Judge,
    fusion: EmotionFusion,
    transcript: str,
    waveform: Tensor,
    sample_rate: int,
    *,
    fps: float,
) -> tuple[Emotion, str]:
    """What the words express over time, and a report with one line a sentence.

    Where nothing is said, the emotion is neutral with confidence 0. Contempt has no words in the
    training data and is always 0 with the built-in judge.

    Args:
        judge: A BuiltinJudge or FolderJudge.
        fusion: Makes Z_emo.
        transcript: Plain text, lines "0:00–0:02 text", SRT or WebVTT.
        waveform: [C, S] the speech.
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60.

    Raises:
        ValueError: The times in the transcript cannot be used, or the audio or fps cannot.
    """
    frames = frame_count(waveform.shape[-1], sample_rate, fps)
    sentences, notes = timed_sentences(transcript, waveform, sample_rate)
    judged = judge([sentence.text for sentence in sentences])
    scores, confidence = _spread(sentences, judged, frames, fps)
    emotion = embed(fusion, scores, to_valence_arousal(scores), confidence, fps)
    if judged.note:
        notes = [judged.note, *notes]
    return emotion, _report(sentences, judged, notes)


def _spread(
    sentences: Sequence[TimedSentence], judged: Judgement, frames: int, fps: float
) -> tuple[Tensor, Tensor]:
    """Scores [T, 8] and confidence [T] of sentences over the frames, with soft changes."""
    times = frame_times(frames, fps)
    scores = torch.zeros(frames, len(EMOTIONS))
    scores[:, NEUTRAL] = 1.0
    confidence = torch.zeros(frames)
    for i, sentence in enumerate(sentences):
        inside = (times >= sentence.start) & (times < sentence.end)
        scores[inside] = judged.scores[i]
        confidence[inside] = judged.confidence[i]
    half = round(FADE * fps / 2)
    window = torch.hann_window(2 * half + 3, periodic=False)[1:-1]  # [2 half + 1], all above 0
    told = torch.cat([scores, confidence[:, None]], 1).T.unsqueeze(1)  # [9, 1, T]
    told = torch.nn.functional.pad(told, (half, half), mode="replicate")
    smooth = torch.nn.functional.conv1d(told, (window / window.sum())[None, None])[:, 0].T
    scores = smooth[:, :-1] / smooth[:, :-1].sum(1, keepdim=True)
    return scores, smooth[:, -1].clamp(0.0, 1.0)


def _report(sentences: Sequence[TimedSentence], judged: Judgement, notes: Sequence[str]) -> str:
    lines = list(notes)
    if not sentences:
        lines.append("There are no words: neutral with confidence 0.")
    for sentence, scores, sure in zip(
        sentences[:SHOWN], judged.scores.tolist(), judged.confidence.tolist(), strict=False
    ):
        top = sorted(range(len(EMOTIONS)), key=lambda i: -scores[i])[:2]
        said = ", ".join(f"{EMOTIONS[i]} {scores[i]:.2f}" for i in top if scores[i] >= 0.1)
        said = said if sure >= 0.01 else "cannot be judged, neutral"
        lines.append(
            f"{sentence.start:.1f}–{sentence.end:.1f} s: {said} (confidence {sure:.2f}): "
            f"{sentence.text}"
        )
    if len(sentences) > SHOWN:
        lines.append(f"And {len(sentences) - SHOWN} sentences more.")
    return "\n".join(lines)
