"""Speech → emotion: a small ensemble that hears two seconds at a time.

Half of its members see statistics of spectrum, pitch and rhythm over the two seconds, half listen
to their course. Only what is as loud as speech counts, so silence around it changes little.

Shapes: B windows, L mel frames of 10 ms, K = 82 features a frame (80 mel bands, pitch,
periodicity), N statistics, C = 7 classes it was trained on.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import WEIGHTS, fill_module, load_checkpoint
from ..prosody import VOICED, loudness, pitch
from ..speech import MELS, log_mel
from ..types import EMOTIONS

FORMAT = "synchrorama.speech_emotion"
WINDOW = 200  # mel frames heard at a time, 2 s
CEPSTRA = 16
FLOOR = 2.0  # of mel features below the loudest: 40 dB, what is softer is silence
BANDS = 20
STATISTICS = 3 * CEPSTRA + BANDS + 11 + 8 + 6
COURSE = 2 * (BANDS + 3)

# emodb's classes and which of ours each is shown as. Boredom is told from neutral in training and
# by its low arousal; as a class it is shown as neutral.
CLASSES: tuple[tuple[str, str], ...] = (
    ("anger", "angry"),
    ("disgust", "disgusted"),
    ("fear", "fearful"),
    ("happiness", "happy"),
    ("neutral", "neutral"),
    ("sadness", "sad"),
    ("boredom", "neutral"),
)


@dataclass(frozen=True, kw_only=True)
class SpeechEmotionConfig:
    """Sizes of the ensemble."""

    statistic_members: int = 3  # networks that see statistics
    course_members: int = 2  # networks that listen to the course
    statistic_width: int = 256  # hidden units of the first
    course_width: int = 48  # channels of the second
    temperature: float = 1.0  # divides the logits, so that confidence is honest

    def __post_init__(self) -> None:
        sizes = (self.statistic_width, self.course_width)
        if self.statistic_members + self.course_members < 1 or min(sizes) < 1:
            raise ValueError(
                f"SpeechEmotionConfig has {self.statistic_members} and {self.course_members} "
                f"members of width {self.statistic_width} and {self.course_width}. Use at least "
                "one member, and widths above 0."
            )
        if not self.temperature > 0.0:
            raise ValueError(
                f"SpeechEmotionConfig has temperature {self.temperature:g}. Use more than 0."
            )


TINY = SpeechEmotionConfig(statistic_members=1, course_members=1, statistic_width=8, course_width=8)
BUILTIN = SpeechEmotionConfig()


class StatisticMember(nn.Module):
    """From standardised statistics [B, N] to [B, C + 2]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(STATISTICS, width),
            nn.GELU(),
            nn.Dropout(0.4),
            nn.Linear(width, len(CLASSES) + 2),
        )

    def forward(self, statistics: Tensor) -> Tensor:
        """[B, N] → [B, C + 2]."""
        out: Tensor = self.layers(statistics)
        return out


class CourseMember(nn.Module):
    """From the course [B, L, 46] and who speaks [B, L] to [B, C + 2]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(COURSE, width, 5, stride=2, padding=2)
        self.stem_norm = nn.BatchNorm1d(width)
        self.deep = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.deep_norm = nn.BatchNorm1d(width)
        self.wide = nn.Conv1d(width, width, 3, padding=2, dilation=2)
        self.wide_norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(0.4)
        self.head = nn.Linear(2 * width, len(CLASSES) + 2)

    def forward(self, course: Tensor, active: Tensor) -> Tensor:
        """[B, L, 46], [B, L] → [B, C + 2]."""
        x = nn.functional.gelu(self.stem_norm(self.stem(course.transpose(1, 2))))
        x = nn.functional.gelu(self.deep_norm(self.deep(x)))
        x = x + nn.functional.gelu(self.wide_norm(self.wide(x)))  # [B, W, L / 4]
        share = nn.functional.adaptive_avg_pool1d(active.to(x)[:, None], x.shape[2])
        share = share / share.sum(2, keepdim=True).clamp_min(1e-6)
        mean = (x * share).sum(2)
        spread = ((x - mean[:, :, None]).square() * share).sum(2).add(1e-5).sqrt()
        out: Tensor = self.head(self.dropout(torch.cat([mean, spread], 1)))
        return out


class SpeechEmotion(nn.Module):
    """The ensemble: logits are averaged, then divided by the temperature."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: SpeechEmotionConfig = BUILTIN) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(STATISTICS))  # of the training data
        self.register_buffer("spread", torch.ones(STATISTICS))
        self.statistic_members = nn.ModuleList(
            StatisticMember(config.statistic_width) for _ in range(config.statistic_members)
        )
        self.course_members = nn.ModuleList(
            CourseMember(config.course_width) for _ in range(config.course_members)
        )

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "speech_emotion.safetensors") -> SpeechEmotion:
        """The network with trained weights, on the CPU, for inference.

        Raises:
            CheckpointError: The file is missing, cut short, or of another kind.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        model = cls(SpeechEmotionConfig(**config))
        fill_module(model, tensors, path.name)
        return model

    def config_dict(self) -> dict[str, object]:
        """The config as plain values for the checkpoint's header."""
        return asdict(self.config)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Class probabilities [B, 7] in the order of CLASSES, valence and arousal [B, 2] -1..1.

        Args:
            frames: [B, L, 82] from `frame_features`, L at most 2 s.
        """
        return read_out(self.together(self.members(*prepare(frames))), self.config.temperature)

    def members(self, statistics: Tensor, course: Tensor, active: Tensor) -> Tensor:
        """What each member says, [M, B, C + 2], of what `prepare` made."""
        standard = ((statistics - self.mean) / self.spread).clamp(-5.0, 5.0)
        said = [member(standard) for member in self.statistic_members]
        said += [member(course, active) for member in self.course_members]
        return torch.stack(said)

    def together(self, said: Tensor) -> Tensor:
        """What they say together, [B, C + 2] of [M, B, C + 2]: both kinds count the same."""
        first = self.config.statistic_members
        kinds = [kind.mean(0) for kind in (said[:first], said[first:]) if len(kind)]
        return torch.stack(kinds).mean(0)

    def listen(self, samples: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Scores [B, 8], valence–arousal [B, 2], and how sure each of them is, [B] and [B].

        The first certainty is the calibrated chance that the most likely class is right, the
        second how well the members agree on valence and arousal.

        Args:
            samples: Not needed.
            frames: [B, L, 82] from `frame_features`.
        """
        said = self.members(*prepare(frames))  # [M, B, 9]
        probabilities, point = read_out(self.together(said), self.config.temperature)
        scores = to_emotions(probabilities)
        apart = said[..., len(CLASSES) :].tanh().std(0, correction=0).mean(1)  # [B]
        return scores, point, scores.amax(1), 1.0 / (1.0 + (apart / 0.25).square())


def read_out(said: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Probabilities [B, 7] and valence–arousal [B, 2] of raw outputs [B, 9]."""
    classes = len(CLASSES)
    return (said[:, :classes] / temperature).softmax(1), said[:, classes:].tanh()


def frame_features(samples: Tensor) -> Tensor:
    """Mel bands, pitch in octaves above 100 Hz, and periodicity, [L, 82], 100 frames a second.

    Args:
        samples: [S] at 16 kHz.

    Raises:
        ValueError: There are no samples.
    """
    mel = log_mel(samples)
    hertz, periodic = pitch(samples)
    return torch.cat([mel, (hertz / 100.0).log2()[:, None], periodic[:, None]], 1)


def prepare(frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Statistics [B, 93], course [B, L, 46] and which frames are loud [B, L] of windows.

    The level of each window is taken out, and what is 40 dB below its loudest counts as silence.

    Args:
        frames: [B, L, 82] from `frame_features`.
    """
    if frames.shape[1] == 1:
        frames = frames.expand(-1, 2, -1)  # a course has at least two moments
    mel, octave, periodic = frames[..., :MELS], frames[..., MELS], frames[..., MELS + 1]
    loudest = torch.quantile(loudness(mel), 0.95, dim=1)[:, None, None]
    mel = (mel - loudest).clamp_min(-FLOOR)
    level = mel.mean(2)  # [B, L]
    active = level > torch.quantile(level, 0.95, dim=1)[:, None] - 1.0
    voiced = active & (periodic > VOICED)
    few = voiced.sum(1) < 5
    voiced = torch.where(few[:, None], active, voiced)
    statistics = _statistics(mel, octave, periodic, level, active, voiced)

    middle = torch.nanquantile(_only(octave, voiced), 0.5, dim=1)[:, None]
    tune = torch.where(voiced, octave - middle, 0.0).clamp(-1.0, 1.0)
    bands = mel.reshape(*mel.shape[:2], BANDS, MELS // BANDS).mean(3) + 1.0  # [B, L, 20]
    still = torch.cat([bands, torch.stack([2.0 * tune, periodic, level + 1.0], 2)], 2)
    moving = nn.functional.pad(still.diff(dim=1), (0, 0, 1, 0)) * 3.0
    return statistics, torch.cat([still, moving], 2), active


def _only(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_fill(~mask, torch.nan)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the frames of the mask, [B, ...] of [B, L, ...]."""
    share = mask.to(x) / mask.sum(1, keepdim=True).clamp_min(1)
    return (x * share.view(*share.shape, *[1] * (x.ndim - 2))).sum(1)


def _statistics(
    mel: Tensor, octave: Tensor, periodic: Tensor, level: Tensor, active: Tensor, voiced: Tensor
) -> Tensor:
    """[B, 93]: spectrum, pitch, voice, rhythm; each row of the list below is a group."""
    frames = mel.shape[1]
    bands = torch.arange(MELS, device=mel.device) + 0.5
    order = torch.arange(CEPSTRA, device=mel.device)
    cosines = torch.cos(math.pi / MELS * bands[:, None] * order) * math.sqrt(2.0 / MELS)
    cepstra = mel @ cosines.to(mel)  # [B, L, 16]
    typical = _mean(cepstra, active)
    spread = _mean((cepstra - typical[:, None]).square(), active).sqrt()
    change = _mean(cepstra.diff(dim=1).abs(), active[:, 1:])
    colour = _mean(mel, voiced).reshape(-1, BANDS, MELS // BANDS).mean(2)

    places = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95]).to(octave)
    q = torch.nanquantile(_only(octave, voiced), places, dim=1).T  # [B, 5]
    centre = _mean(octave, voiced)[:, None]
    deviation = _mean((octave - centre).square(), voiced).sqrt()
    step = octave.diff(dim=1)
    smooth = voiced[:, 1:] & voiced[:, :-1] & (step.abs() < 0.2)
    tune = [q[:, 4] - q[:, 0], q[:, 3] - q[:, 1], deviation, _mean(step.abs(), smooth)]
    tune += [_mean(step, smooth), (step.abs() * smooth).amax(1)]

    seconds = frames / 100.0
    loud = _mean(level, active)[:, None]
    onsets = (voiced[:, 1:] & ~voiced[:, :-1]).sum(1) / seconds
    count = active.sum(1).clamp_min(1)
    voice = [voiced.sum(1) / count, onsets, _mean((level - loud).square(), active).sqrt()]
    voice += [
        _mean(periodic, active),
        _mean(periodic, voiced),
        _mean(level.diff(dim=1).abs(), active[:, 1:]),
    ]
    voice += [smooth.sum(1) / voiced.sum(1).clamp_min(1), _mean(level, active)]

    taper = torch.hann_window(frames, periodic=False, device=level.device)
    wave = torch.fft.rfft((level - level.mean(1, keepdim=True)) * taper, 512).abs()  # [B, 257]
    hertz = torch.arange(257, device=level.device) * (100.0 / 512.0)
    heard = wave * ((hertz > 0.5) & (hertz < 20.0))
    total = heard.sum(1).clamp_min(1e-6)
    edges = (0.5, 2.0, 4.0, 6.0, 9.0, 20.0)
    rhythm = [
        (heard * ((hertz >= low) & (hertz < high))).sum(1) / total
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    rhythm.append((heard * hertz).sum(1) / total)
    columns = torch.stack([*tune, *voice, *rhythm], 1)
    return torch.cat([typical, spread, change, colour, q, columns], 1)


def to_emotions(probabilities: Tensor) -> Tensor:
    """The 7 classes of CLASSES [B, 7] as our 8 [B, 8]; surprise and contempt are 0."""
    table = probabilities.new_zeros(len(CLASSES), len(EMOTIONS))
    for row, (_, shown) in enumerate(CLASSES):
        table[row, EMOTIONS.index(shown)] = 1.0
    return probabilities @ table
