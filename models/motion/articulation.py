"""What the mouth does to make the sounds it hears: shapes, closed lips, and whether it speaks.

Shapes: B clips, L mel frames (100 a second), N = ceil(L / 2) frames of the trunk (50 a second),
W channels of the trunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import speech
from .lips import SHAPES, lip_gap, spread

RATE = 100  # frames a second of mel features and of what the network says
DIP = 25  # mel frames, odd; a shorter silence is no pause
SILENCE, SILENT = 21, 0.1  # mel frames, odd, in which nothing is louder than this are a pause
EASE = 9  # mel frames, odd, over which the mouth comes to rest in it
CRISP, CRISP_S = 0.75, 0.04  # how much more shapes differ from their mean over about that long
# By which power of the opening, relative to a usual one, the jaw goes further; what rounding takes.
CONTRAST, USUAL_GAP, NARROW = 0.2, 0.35, 0.3
AROUND = 151  # mel frames, odd; what sounds within them is speech or not
SPEECH_FEATURES = 768  # of wav2vec 2.0 base, 50 a second


@dataclass(frozen=True, kw_only=True)
class ArticulationConfig:
    """Sizes of the network."""

    features: str = "mel"  # what it hears: "mel", or "wav2vec2" for frozen features of that network
    width: int = 224  # channels of the trunk
    kernel: int = 3  # taps of each convolution, odd
    dilations: tuple[int, ...] = (1, 2, 4, 8) * 3 + (1, 2)  # one residual block each
    dropout: float = 0.0  # share of a block's channels that learning leaves out

    def __post_init__(self) -> None:
        if self.features not in ("mel", "wav2vec2"):
            raise ValueError(
                f"ArticulationConfig.features is '{self.features}'. Use 'mel' or 'wav2vec2'."
            )
        if self.kernel % 2 == 0 or self.width < 1 or not self.dilations:
            raise ValueError(
                f"ArticulationConfig has width {self.width}, kernel {self.kernel} and "
                f"{len(self.dilations)} dilations. Use at least 1, an odd number, and at least 1."
            )

    @property
    def reach(self) -> int:
        """How many mel frames before and after a frame the network hears at most; even."""
        return 2 * (self.kernel // 2) * (1 + sum(self.dilations)) + 2


class Block(nn.Module):
    """A dilated convolution and a pointwise one, added to what came in.

    Both are products of matrices over frames: on a CPU a third faster than convolutions.
    """

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Conv1d(
            width, width, kernel, dilation=dilation, padding=dilation * (kernel // 2)
        )
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, W, N] → [B, W, N]."""
        rows = x.transpose(1, 2)
        count, dilation, reach = rows.shape[1], self.wide.dilation[0], int(self.wide.padding[0])
        padded = nn.functional.pad(self.norm(rows), (0, 0, reach, reach))  # per frame: no seams
        taps = [padded[:, i : i + count] for i in range(0, 2 * reach + 1, dilation)]
        weight = self.wide.weight.transpose(1, 2).flatten(1)  # [W, kernel * W]
        wide = nn.functional.linear(torch.cat(taps, 2), weight, self.wide.bias)
        within = self.drop(nn.functional.gelu(wide))
        out = rows + nn.functional.linear(within, self.mix.weight[..., 0], self.mix.bias)
        return out.transpose(1, 2)


class Articulation(nn.Module):
    """A temporal convolution that hears up to a second to each side.

    It looks at the sound every 20 ms and says three things for each 10 ms: the shape of the mouth,
    whether the lips are closed, and whether somebody speaks. Keeping the last two apart keeps
    closures whole: an average of closed and open would be half open.
    """

    def __init__(self, config: ArticulationConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = (
            nn.Conv1d(speech.MELS, width, 4, stride=2, padding=1)
            if config.features == "mel"
            else nn.Conv1d(SPEECH_FEATURES, width, 3, padding=1)
        )
        self.blocks = nn.ModuleList(
            Block(width, config.kernel, dilation, config.dropout) for dilation in config.dilations
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Conv1d(
            width, 2 * (len(SHAPES) + 2), config.kernel, padding=config.kernel // 2
        )

    def features(self, heard: Tensor) -> Tensor:
        """What the trunk hears, [B, W, N].

        Args:
            heard: [B, L, 80] from `speech.log_mel`; or [B, N, 768], features of wav2vec 2.0.
        """
        x = heard.transpose(1, 2)
        if self.config.features == "mel":  # silence is 0, as is padding
            x = nn.functional.pad(x + 2.0, (0, heard.shape[1] % 2))
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return out

    def read_out(self, features: Tensor) -> Tensor:
        """Raw outputs [B, 2 N, 11] of `features` [B, W, N]."""
        pairs = self.head(features).transpose(1, 2)  # [B, N, 2 * 11]
        out: Tensor = pairs.reshape(pairs.shape[0], -1, len(SHAPES) + 2)
        return out

    def logits(self, heard: Tensor) -> Tensor:
        """Raw outputs [B, L, 11]: the SHAPES, then closure and activity as logits.

        Args:
            heard: As of `features`; with features of wav2vec 2.0, L is 2 N.
        """
        frames = heard.shape[1] * (1 if self.config.features == "mel" else 2)
        return self.read_out(self.features(heard))[:, :frames]

    def forward(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the mouth does: shapes [B, L, 9], closure [B, L], activity [B, L], each 0..1."""
        raw = self.logits(heard)
        closure = _sure(raw[..., -2].sigmoid(), 0.1, 0.8)
        activity = _sure(raw[..., -1].sigmoid(), 0.35, 0.9)
        return raw[..., :-2].clamp(0.0, 1.0), closure, activity


def among_speech(activity: Tensor, loud: Tensor) -> Tensor:
    """Activity [L] where most of what sounds around it is speech, else 0.

    Music passes for speech here and there; in speech, even in noise, hardly anything loud does not.

    Args:
        activity: [L] 0..1.
        loud: [L] 0..1, how loud each frame is.
    """
    weight = loud.square()

    def around(x: Tensor) -> Tensor:
        return nn.functional.avg_pool1d(x[None], AROUND, 1, AROUND // 2, count_include_pad=False)[0]

    share = around(activity * weight) / (around(weight) + 1e-6)
    return activity * _sure(share, 0.5, 0.75)


def without_dips(activity: Tensor) -> Tensor:
    """Activity [L] where nobody falls silent for less than a quarter of a second.

    A loud held vowel may pass for music for a moment; a mouth that rests so briefly is wrong.
    """
    frames = DIP // 2
    wide = nn.functional.max_pool1d(activity[None], DIP, 1, frames)
    return -nn.functional.max_pool1d(-wide, DIP, 1, frames)[0]


def except_in_silence(activity: Tensor, loud: Tensor) -> Tensor:
    """Activity [L] that is 0 where nothing sounds for a fifth of a second.

    The network may take utter silence between two phrases for speech; a stop is shorter.

    Args:
        activity: [L] 0..1.
        loud: [L] 0..1, how loud each frame is.
    """

    def most(x: Tensor, frames: int) -> Tensor:
        return nn.functional.max_pool1d(x[None], frames, 1, frames // 2)[0]

    silent = most(-most(-(loud < SILENT).float(), SILENCE), SILENCE)  # that last
    inner = -most(-silent, EASE)
    eased = nn.functional.avg_pool1d(inner[None], EASE, 1, EASE // 2, count_include_pad=False)[0]
    return activity * (1.0 - eased)


def crisp(shapes: Tensor) -> Tensor:
    """Shapes [L, S] with clearer articulation: each goes further from what is around it in time.

    Rules and networks both tell less than how far apart a short vowel and the consonants around it
    are; those who speak clearly move further (Lindblom, "Explaining phonetic variation: a sketch of
    the H&H theory", 1990).
    """
    reach = round(3 * CRISP_S * RATE)
    at = torch.arange(-reach, reach + 1, dtype=shapes.dtype) / RATE
    weight = torch.exp(-0.5 * (at / CRISP_S).square())
    weight = (weight / weight.sum()).view(1, 1, -1)
    padded = nn.functional.pad(shapes.T[:, None], (reach, reach), mode="replicate")
    mean = nn.functional.conv1d(padded, weight)[:, 0].T
    return (shapes + CRISP * (shapes - mean)).clamp(0.0, 1.0)


def contrasted(shapes: Tensor) -> Tensor:
    """Shapes [L, S] whose jaw opens less in what is nearly closed and more in what is open.

    A network that is unsure says something in between, and rounded lips, which are narrow, look
    further open than they are. Chosen on voices that trained (docs/decisions.md).
    """
    columns = [SHAPES.index(name) for name in ("mouthFunnel", "mouthPucker")]
    rounded = shapes[..., columns].sum(-1)
    contrast = (lip_gap(spread(shapes)) / USUAL_GAP).clamp(0.2, 2.0) ** CONTRAST
    out = shapes.clone()
    jaw = SHAPES.index("jawOpen")
    out[..., jaw] = (shapes[..., jaw] * contrast * (1.0 - NARROW * rounded)).clamp(0.0, 1.0)
    return out


def _sure(probability: Tensor, low: float, high: float) -> Tensor:
    """A probability made decided: 0 below low, 1 above high, smooth between."""
    x = ((probability - low) / (high - low)).clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def articulate_in_windows(
    model: Articulation,
    heard: Tensor,
    *,
    window: int = 3000,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What the network says of a whole clip, in flat memory and without seams.

    Each window is given as much sound on both sides as the network hears.

    Args:
        model: On any device.
        heard: Of one clip, [L, 80] mel features or [N, 768] features of wav2vec 2.0.
        window: Frames of 10 ms at a time, even.
        on_step: Called with (windows done, windows in all) after each; may raise to cancel.

    Returns:
        Shapes [L, 9], closure [L] and activity [L], float32 on the CPU.
    """
    weight = model.head.weight
    each = 1 if model.config.features == "mel" else 2  # frames of 10 ms for one that is heard
    reach, total, step = model.config.reach // each, heard.shape[0], window // each
    starts = range(0, total, step)
    parts: list[tuple[Tensor, ...]] = []
    for done, start in enumerate(starts):
        stop = min(start + step, total)
        low, high = max(0, start - reach), min(total, stop + reach)
        with torch.no_grad():
            said = model(heard[None, low:high].to(weight.device, weight.dtype))
        inside = slice(each * (start - low), each * (stop - low))
        parts.append(tuple(x[0, inside].float().cpu() for x in said))
        if on_step is not None:
            on_step(done + 1, len(starts))
    shapes, closure, activity = (torch.cat(track) for track in zip(*parts, strict=True))
    return shapes, closure, activity
