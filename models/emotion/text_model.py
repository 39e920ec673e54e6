"""Words → GoEmotions' 28 labels, convolutions, recurrent networks and phrases as one.

Shapes: B sentences, N tokens, U words and phrases of a sentence, G = 7 groups of labels,
M members.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..checkpoint import WEIGHTS, fill_module, load_checkpoint

FORMAT = "synchrorama.text_emotion"

# The labels of GoEmotions in its order, each with the group that it counts for: "the Ekman
# grouping" of Demszky et al., "GoEmotions: A Dataset of Fine-Grained Emotions", ACL 2020.
LABELS: tuple[tuple[str, str], ...] = (
    ("admiration", "happy"),
    ("amusement", "happy"),
    ("anger", "angry"),
    ("annoyance", "angry"),
    ("approval", "happy"),
    ("caring", "happy"),
    ("confusion", "surprised"),
    ("curiosity", "surprised"),
    ("desire", "happy"),
    ("disappointment", "sad"),
    ("disapproval", "angry"),
    ("disgust", "disgusted"),
    ("embarrassment", "sad"),
    ("excitement", "happy"),
    ("fear", "fearful"),
    ("gratitude", "happy"),
    ("grief", "sad"),
    ("joy", "happy"),
    ("love", "happy"),
    ("nervousness", "fearful"),
    ("optimism", "happy"),
    ("pride", "happy"),
    ("realization", "surprised"),
    ("relief", "happy"),
    ("remorse", "sad"),
    ("sadness", "sad"),
    ("surprise", "surprised"),
    ("neutral", "neutral"),
)
GROUPS: tuple[str, ...] = (
    "angry",
    "disgusted",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
)

LONGEST = 48  # tokens of a sentence that are read
_TOKEN = re.compile(r"\[(?:name|religion)\]|[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[!?]+|\.{2,}|[^\w\s]")
_REPEATED = re.compile(r"(.)\1{2,}")


def group_table() -> Tensor:
    """Which group each label counts for, [28, 7] of 0 and 1."""
    table = torch.zeros(len(LABELS), len(GROUPS))
    for row, (_, group) in enumerate(LABELS):
        table[row, GROUPS.index(group)] = 1.0
    return table


def tokens(text: str) -> list[str]:
    """Words, numbers and marks in lower case, at most LONGEST; "soooo" becomes "soo"."""
    plain = text.lower().replace("’", "'").replace("…", "...")
    return _TOKEN.findall(_REPEATED.sub(r"\1\1", plain))[:LONGEST]


def code(text: str) -> int:
    """The number that stands for a word or a phrase in the vocabulary, CRC-32 of its UTF-8."""
    return zlib.crc32(text.encode("utf-8"))


def phrases(words: Sequence[str]) -> list[str]:
    """All runs of two and three tokens."""
    return [" ".join(run) for n in (2, 3) for run in zip(*(words[i:] for i in range(n)))]  # noqa: B905


@dataclass(frozen=True, kw_only=True)
class TextEmotionConfig:
    """Sizes, and how answers are read."""

    words: int = 8000  # known words
    phrases: int = 6000  # known runs of two and three words
    pieces: int = 2048  # buckets for beginnings and ends of words
    width: int = 40  # channels of a word
    channels: int = 96  # of each convolution
    hidden: int = 64  # of a recurrent network, in each direction
    members: int = 2  # convolutions, and as many recurrent networks
    temperature: float = 1.0  # divides the logits, so that probabilities are honest
    thresholds: tuple[float, ...] = (0.25,) * len(GROUPS)  # a group above is said to be there
    prior: tuple[float, ...] = (1.0 / len(GROUPS),) * len(GROUPS)  # share of each group in train

    def __post_init__(self) -> None:
        sizes = (self.words, self.phrases, self.pieces, self.width, self.channels, self.hidden)
        if min(*sizes, self.members) < 1 or not self.temperature > 0.0:
            raise ValueError("TextEmotionConfig has a size below 1 or a temperature of 0 or less.")
        if not len(self.thresholds) == len(self.prior) == len(GROUPS) or min(self.prior) <= 0.0:
            raise ValueError(
                f"TextEmotionConfig needs {len(GROUPS)} thresholds and priors above 0."
            )


TINY = TextEmotionConfig(words=16, phrases=8, pieces=8, width=4, channels=4, hidden=4, members=1)


class WordVectors(nn.Module):
    """A vector for each token: the sum of its own, its first five and its last three letters'.

    So a rare or unknown word is not nothing.
    """

    def __init__(self, config: TextEmotionConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.words + 1, config.width)
        self.piece = nn.Embedding(config.pieces + 1, config.width)
        nn.init.normal_(self.word.weight, std=0.1)
        nn.init.normal_(self.piece.weight, std=0.05)
        self.drop = nn.Dropout(0.3)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, 3] → vectors [B, N, width], 0 where no token is, and where one is, [B, N, 1]."""
        there = (ids[..., 1] > 0).unsqueeze(-1)
        x = self.word(ids[..., 0]) + self.piece(ids[..., 1]) + self.piece(ids[..., 2])
        return self.drop(x * there), there


class ConvolutionMember(nn.Module):
    """Convolutions of 1 to 5 tokens with a maximum over the sentence.

    Source: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014.
    """

    def __init__(self, config: TextEmotionConfig) -> None:
        super().__init__()
        self.vectors = WordVectors(config)
        sizes = (1, 2, 3, 5)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.width, config.channels, size, padding=size // 2) for size in sizes
        )
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(len(sizes) * config.channels, len(LABELS))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [B, 28] of ids [B, N, 3]."""
        x, there = self.vectors(ids)
        absent = torch.where(there, 0.0, -1e4).transpose(1, 2)  # [B, 1, N]
        found = [
            (convolution(x.transpose(1, 2))[..., : ids.shape[1]] + absent).relu().amax(-1)
            for convolution in self.convolutions
        ]
        logits: Tensor = self.out(self.drop(torch.cat(found, 1)))
        return logits


def in_step(networks: Sequence[nn.GRU], x: Tensor) -> Tensor:
    """What several GRUs say of one sentence each, [K, N, 2 hidden].

    The same as calling them one by one, but all of them, in both directions, take each step
    together: for one short sentence the calls cost more than the sums in them.

    Args:
        networks: K of one layer in two directions and of one size.
        x: [K, N, width].
    """
    into, back, bias, stay = (
        torch.stack([getattr(one, name + end) for end in ("", "_reverse") for one in networks])
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )  # [2 K, 3 hidden, width], [2 K, 3 hidden, hidden], [2 K, 3 hidden] twice
    both = torch.cat([x, x.flip(1)])  # [2 K, N, width]
    told = torch.baddbmm(bias[:, None], both, into.mT)  # [2 K, N, 3 hidden]
    size, back, stay = networks[0].hidden_size, back.mT.contiguous(), stay[:, None]
    gates = torch.split(told[..., : 2 * size], 1, 1)
    news = torch.split(told[..., 2 * size :], 1, 1)
    state, out = x.new_zeros(len(both), 1, size), []
    for gate, new in zip(gates, news, strict=True):
        kept = torch.baddbmm(stay, state, back)  # [2 K, 1, 3 hidden]
        reset, update = (kept[..., : 2 * size] + gate).sigmoid().chunk(2, -1)
        state = torch.lerp(torch.addcmul(new, reset, kept[..., 2 * size :]).tanh(), state, update)
        out.append(state)
    there, home = torch.cat(out, 1).chunk(2)  # [K, N, hidden] each
    return torch.cat([there, home.flip(1)], 2)


class RecurrentMember(nn.Module):
    """A GRU in both directions, read by attention and by a maximum."""

    def __init__(self, config: TextEmotionConfig) -> None:
        super().__init__()
        self.vectors = WordVectors(config)
        self.recurrent = nn.GRU(config.width, config.hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * config.hidden, 1)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4 * config.hidden, len(LABELS))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [B, 28] of ids [B, N, 3]."""
        x, there = self.vectors(ids)
        lengths = there.sum((1, 2)).clamp_min(1).cpu()
        # packed, so that a sentence reads the same whatever it is batched with
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=ids.shape[1]
        )
        return self.read(y, there)

    def read(self, y: Tensor, there: Tensor) -> Tensor:
        """Logits [B, 28] of what the GRU says [B, N, 2 hidden], and where a token is [B, N, 1]."""
        absent = torch.where(there, 0.0, -1e4)
        y = y * there
        share = (self.attention(y) + absent).softmax(1)
        pooled = torch.cat([(share * y).sum(1), (y + absent).amax(1).clamp_min(-1.0)], 1)
        logits: Tensor = self.out(self.drop(pooled))
        return logits


class PhraseMember(nn.Module):
    """Each known word and phrase has a weight for each label.

    Source: Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL 2017.
    """

    def __init__(self, config: TextEmotionConfig) -> None:
        super().__init__()
        self.weight = nn.Embedding(config.words + config.phrases + 1, len(LABELS))
        self.bias = nn.Parameter(torch.zeros(len(LABELS)))
        nn.init.zeros_(self.weight.weight)

    def forward(self, units: Tensor) -> Tensor:
        """Logits [B, 28] of units [B, U]."""
        there = (units > 0).unsqueeze(-1)
        count = there.sum(1).clamp_min(1)
        logits: Tensor = 2.0 * (self.weight(units) * there).sum(1) / count.sqrt() + self.bias
        return logits


class TextEmotion(nn.Module):
    """Members of three kinds, each with its own word vectors, whose average answers."""

    vocabulary: Tensor
    known_phrases: Tensor

    def __init__(self, config: TextEmotionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("vocabulary", torch.zeros(config.words, dtype=torch.int64))
        self.register_buffer("known_phrases", torch.zeros(config.phrases, dtype=torch.int64))
        self.by_word = nn.ModuleList(
            kind(config)
            for kind in (ConvolutionMember, RecurrentMember)
            for _ in range(config.members)
        )
        self.by_phrase = PhraseMember(config)

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "text_emotion.safetensors") -> TextEmotion:
        """The classifier with trained weights, on the CPU, for inference.

        Raises:
            CheckpointError: The file is missing, cut short, or of another kind.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        for key in ("thresholds", "prior"):
            config[key] = tuple(config[key])
        model = cls(TextEmotionConfig(**config))
        fill_module(model, unpack(tensors), path.name)
        return model

    def config_dict(self) -> dict[str, object]:
        """The config as plain values for the checkpoint's header."""
        return asdict(self.config)

    def forward(self, ids: Tensor, units: Tensor) -> Tensor:
        """Log-probabilities of the labels from each member, [M, B, 28].

        Args:
            ids: [B, N, 3] int64, of each token its word, beginning and end; 0 is unknown, and
                where the beginning is 0 there is no token.
            units: [B, U] int64, the known words and phrases of the sentence, 0 where there is none.
        """
        one = len(ids) == 1 and not self.training
        logits = self._one(ids) if one else [member(ids) for member in self.by_word]
        return torch.stack([*logits, self.by_phrase(units)]).log_softmax(-1)

    def _one(self, ids: Tensor) -> list[Tensor]:
        """What each member of `by_word` says of one sentence [1, N, 3], sooner."""
        logits = [member(ids) for member in self.by_word if isinstance(member, ConvolutionMember)]
        recurrent = [member for member in self.by_word if isinstance(member, RecurrentMember)]
        seen = [member.vectors(ids) for member in recurrent]
        told = in_step([member.recurrent for member in recurrent], torch.cat([x for x, _ in seen]))
        for member, y, (_, there) in zip(recurrent, told, seen, strict=True):
            logits.append(member.read(y[None], there))
        return logits

    def label_probabilities(self, ids: Tensor, units: Tensor) -> Tensor:
        """The members' common answer at the config's temperature, [B, 28], rows sum to 1."""
        logs: Tensor = self(ids, units).mean(0)  # [B, 28]
        return (logs / self.config.temperature).softmax(-1)


SCALE = "_scale"  # ends the name of the scales that belong to a packed table


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tables of vectors as int8 with a scale for each row, other weights in half precision."""
    out: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if not value.is_floating_point():
            out[name] = value
        elif name.endswith(("word.weight", "piece.weight", "weight.weight")):
            scale = (value.abs().amax(1, keepdim=True) / 127.0).clamp_min(1e-7).half()  # [n, 1]
            out[name] = (value / scale.float()).round().clamp(-127, 127).to(torch.int8)
            out[name + SCALE] = scale
        else:
            out[name] = value.half()
    return out


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` made, as float32 again."""
    out = {name: value for name, value in tensors.items() if not name.endswith(SCALE)}
    for name, scale in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in out:
            out[name.removesuffix(SCALE)] = out[name.removesuffix(SCALE)].float() * scale.float()
    return {k: v.float() if v.is_floating_point() else v for k, v in out.items()}


class Reader:
    """Turns sentences into the numbers that TextEmotion takes."""

    def __init__(self, vocabulary: Tensor, known_phrases: Tensor, pieces: int) -> None:
        words, runs = vocabulary.tolist(), known_phrases.tolist()
        self.word = {number: i + 1 for i, number in enumerate(words)}
        self.phrase = {number: i + 1 + len(words) for i, number in enumerate(runs)}
        self.pieces = pieces

    def read(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids [B, N, 3], units [B, U] and the share of words that are known, [B] 0..1.

        A sentence without words, of emoji alone too, is one of unknown words.
        """
        rows = [self._row(tokens(sentence)) for sentence in sentences]
        longest = max((len(ids) for ids, _, _ in rows), default=0)
        most = max((len(units) for _, units, _ in rows), default=0)
        ids = torch.zeros(len(rows), max(longest, 1), 3, dtype=torch.int64)
        units = torch.zeros(len(rows), max(most, 1), dtype=torch.int64)
        for i, (row, bag, _) in enumerate(rows):
            if row:
                ids[i, : len(row)] = torch.tensor(row)
            if bag:
                units[i, : len(bag)] = torch.tensor(bag)
        return ids, units, torch.tensor([known for _, _, known in rows])

    def _row(self, words: list[str]) -> tuple[list[tuple[int, int, int]], list[int], float]:
        known = [self.word.get(code(word), 0) for word in words]
        ids = [
            (
                number,
                1 + code("<" + word[:5]) % self.pieces,
                1 + code(word[-3:] + ">") % self.pieces,
            )
            for number, word in zip(known, words, strict=True)
        ]
        runs = {self.phrase[n] for run in phrases(words) if (n := code(run)) in self.phrase}
        # marks, numbers and emoji say nothing about the language
        spoken = [n for n, w in zip(known, words, strict=True) if w.isalpha() or "'" in w[1:-1]]
        share = sum(n > 0 for n in spoken) / len(spoken) if spoken else 0.0
        return ids, sorted({n for n in known if n} | runs), share
