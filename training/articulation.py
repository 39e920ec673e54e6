"""Train the part of stage 4 that hears what the mouth does.

    python -m synchrorama.training.articulation --data DIR --out FILE.safetensors --steps 12000
        [--seconds 0] [--batch 8] [--device cuda] [--workers 0] [--start FILE] [--resume]
        [--dev-speakers 12] [--threads 1] [--without sync naming speed background SOURCE]

DIR is what speech_data.py wrote. Utterances are drawn anew all the time, each in another random
room, by worker processes if there are any. FILE.state beside FILE holds what is needed to go on
with --resume, also on other data. --start begins with the weights of a shallower or narrower
network, which the new blocks and channels leave as it is. FILE holds a running mean of the weights.
With --seconds the rate falls with the time that is left, however many steps that gives.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..models import speech
from ..models.checkpoint import save_checkpoint
from ..models.motion import lips
from ..models.motion.articulation import Articulation, ArticulationConfig
from .augment import augment
from .background import background
from .phones import ALPHABET, Phone
from .speech_data import Labelled, read
from .splice import spliced
from .sync import SyncJudge
from .visemes import fill_gaps, mouth_track

FORMAT = "synchrorama.articulation"  # an intermediate file; audio_to_motion.py joins the parts
CROP = 320  # mel frames of one training example, a multiple of 4
LONGEST = CROP * speech.HOP * 5 // 4  # samples out of which it is cut
ROUND = 250  # steps between two states
DRAWN = 48  # examples that are drawn together, and heard in random order
EACH = 3  # times an example is heard, each time as another voice
NAMES = sorted(ALPHABET)
# how much an error of each shape counts; jaw and rounding carry speech
WEIGHTS = torch.tensor([4.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0])
# how often a source is heard, whatever its hours; those not named share what is left by length
SHARES = {"emodb": 0.15, "kokoro": 0.24, "game": 0.48, "flite": 0.07}
BACKGROUND_SHARE = 0.05
SPLICED = 0.5  # how often an example is put together from stretches of its voice
LOSSES = ("sync", "naming", "speed", "gap", "background", "emphasis")
DROPOUT = 0.1
MEAN = 0.998  # of the running mean of the weights, a step
GAPS = torch.tensor(  # how far each shape parts the lips
    [sum(lips.GAPS.get(name + side, 0.0) for side in ("", "Left", "Right")) for name in lips.SHAPES]
)


@dataclass(frozen=True, eq=False)
class Example:
    """Features and targets of one piece of speech, or of B pieces, all with a first dimension B."""

    mel: Tensor  # [L, 80]
    target: Tensor  # [L, 11] shapes, closure, activity
    sound: Tensor  # [L] int64, which of NAMES is said

    def to(self, device: torch.device) -> Example:
        """The same on a device."""
        return Example(*(x.to(device, non_blocking=True) for x in self._all()))

    def _all(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.mel, self.target, self.sound


def stacked(batch: Sequence[Example]) -> Example:
    """Examples of equal length as one."""
    return Example(
        torch.stack([item.mel for item in batch]),
        torch.stack([item.target for item in batch]),
        torch.stack([item.sound for item in batch]),
    )


def example(samples: np.ndarray, phones: list[Phone]) -> Example:
    """Features of the samples, [S] at 16 kHz, and what the mouth does to say the phones."""
    mel = speech.log_mel(torch.from_numpy(samples))
    padded = np.pad(samples, (0, len(mel) * speech.HOP - len(samples)))
    level = np.sqrt((padded.reshape(-1, speech.HOP) ** 2).mean(1)).astype(np.float32)
    track = mouth_track(phones, len(mel), level)
    target = np.concatenate(
        [track.shapes, track.closure[:, None], track.activity[:, None]], axis=1
    ).astype(np.float32)
    sound = torch.zeros(len(mel), dtype=torch.int64)
    for phone in fill_gaps(phones, len(mel) / 100.0):
        sound[round(phone.start * 100) : round(phone.end * 100)] = NAMES.index(phone.name)
    return Example(mel, torch.from_numpy(target), sound)


def examples(
    data: list[Labelled], count: int, chance: np.random.Generator, *, still: bool = True
) -> list[Example]:
    """Random pieces of random utterances in random rooms, and sounds in which nobody speaks.

    Args:
        data: Utterances at 16 kHz, drawn by SHARES.
        count: How many examples.
        chance: Where randomness comes from.
        still: Whether to add sounds in which nobody speaks.
    """
    weights = drawing_weights(data)
    out = []
    for _ in range(count):
        if still and chance.random() < BACKGROUND_SHARE:
            out.append(example(background(CROP * speech.HOP, chance), []))
            continue
        item = data[int(chance.choice(len(data), p=weights))]
        said = piece(item, chance)
        if chance.random() < SPLICED:
            voice = [one.utterance for one in data if same_voice(one, item)]
            anew = spliced(voice, LONGEST, chance)
            said = anew if anew[1] else said  # nothing to take: pauses all over
        samples, phones = augment(*said, chance)
        if chance.random() < 0.25:  # silence around, so that rest is learnt
            before, after = (chance.uniform(0.0, 0.8, 2) * speech.SAMPLE_RATE).astype(int)
            floor = 10.0 ** -chance.uniform(2.0, 4.5) * float(np.abs(samples).max())
            hiss = chance.standard_normal(before + len(samples) + after).astype(np.float32)
            hiss *= np.float32(floor)
            hiss[before : before + len(samples)] += samples
            samples, shift = hiss, before / speech.SAMPLE_RATE
            phones = [Phone(p.name, p.start + shift, p.end + shift) for p in phones]
        out.append(example(samples, phones))
    return out


def drawing_weights(data: list[Labelled]) -> np.ndarray:
    """How probable it is to draw each utterance, [len(data)]; within a source by length."""
    lengths = np.array([len(item.utterance.samples) for item in data], dtype=float)
    sources = np.array([item.source for item in data])
    out = np.zeros(len(data))
    given = {name: share for name, share in SHARES.items() if (sources == name).any()}
    for name, share in given.items():
        chosen = sources == name
        out[chosen] = share * lengths[chosen] / lengths[chosen].sum()
    others = ~np.isin(sources, list(given))
    if others.any():
        out[others] = (1.0 - sum(given.values())) * lengths[others] / lengths[others].sum()
    normed: np.ndarray = out / out.sum()
    return normed


def same_voice(one: Labelled, other: Labelled) -> bool:
    """Whether the same speaker says both; Kokoro's mixes and espeak-ng's variants are speakers."""
    return (one.source, one.speaker) == (other.source, other.speaker)


def piece(item: Labelled, chance: np.random.Generator) -> tuple[np.ndarray, list[Phone]]:
    """At most 1.25 CROP frames out of an utterance."""
    samples, phones = item.utterance.samples, item.utterance.phones
    first = int(chance.integers(0, max(1, len(samples) - LONGEST + 1)))
    seconds = first / speech.SAMPLE_RATE
    moved = [Phone(p.name, p.start - seconds, p.end - seconds) for p in phones]
    stop = min(len(samples) - first, LONGEST) / speech.SAMPLE_RATE
    kept = [Phone(p.name, max(p.start, 0.0), min(p.end, stop)) for p in moved]
    return samples[first : first + LONGEST], [p for p in kept if p.end > p.start]


def crop(item: Example, chance: np.random.Generator) -> Example:
    """CROP frames of an example, with silence after it where it is shorter; as another voice."""
    start = int(chance.integers(0, max(1, len(item.mel) - CROP + 1)))
    mel, target, sound = (x[start : start + CROP] for x in (item.mel, item.target, item.sound))
    missing = CROP - len(mel)
    return Example(
        nn.functional.pad(another_voice(mel, chance), (0, 0, 0, missing), value=-2.0),
        nn.functional.pad(target, (0, 0, 0, missing)),
        nn.functional.pad(sound, (0, missing), value=NAMES.index("sil")),
    )


def another_voice(mel: Tensor, chance: np.random.Generator) -> Tensor:
    """Mel features [L, 80] of a shorter or longer throat, louder or softer, with gaps.

    Source: Jaitly and Hinton, "Vocal tract length perturbation", 2013; Park et al.,
    "SpecAugment", Interspeech 2019.
    """
    out = mel
    bands = mel.shape[1]
    if chance.random() < 0.6:
        place = (torch.arange(bands) * float(chance.uniform(0.88, 1.13))).clamp_max(bands - 1.0)
        low = place.floor().long()
        high = (low + 1).clamp_max(bands - 1)
        share = place - low
        out = out[:, low] * (1.0 - share) + out[:, high] * share
    out = (out + float(chance.uniform(-0.15, 0.15)) * (out > -1.99)).clamp(-2.0, 3.0)
    if chance.random() < 0.4:
        width = int(chance.integers(2, 12))
        first = int(chance.integers(0, bands - width))
        out = out.clone()
        out[:, first : first + width] = out[:, first : first + width].amin()
    if chance.random() < 0.3:
        length = int(chance.integers(1, 7))
        first = int(chance.integers(0, max(1, len(out) - length)))
        out = out.clone()
        out[first : first + length] = -2.0
    return out


class Batches(IterableDataset[Example]):
    """Batches without end; each worker process draws its own."""

    def __init__(self, data: list[Labelled], batch: int, seed: Sequence[int], still: bool) -> None:
        self.data, self.batch, self.seed, self.still = data, batch, list(seed), still

    def __iter__(self) -> Iterator[Example]:
        """Stacked examples."""
        worker = get_worker_info()
        chance = np.random.default_rng([*self.seed, worker.id if worker else 0])
        waiting: list[Example] = []
        while True:
            made = examples(self.data, DRAWN, chance, still=self.still) * EACH
            waiting += [made[i] for i in chance.permutation(len(made))]
            while len(waiting) >= self.batch:
                yield stacked([crop(item, chance) for item in waiting[: self.batch]])
                waiting = waiting[self.batch :]


class Lesson(nn.Module):
    """The network with what helps it to learn and is thrown away afterwards."""

    def __init__(self, config: ArticulationConfig) -> None:
        super().__init__()
        self.model = Articulation(config)
        self.namer = nn.Conv1d(config.width, 2 * len(NAMES), 1)  # which sound, twice each 20 ms
        self.judge = SyncJudge()
        self.register_buffer("weights", WEIGHTS.sqrt(), persistent=False)
        self.register_buffer("gaps", GAPS, persistent=False)

    def forward(self, batch: Example, without: frozenset[str] = frozenset()) -> Tensor:
        """Errors of shapes, of their speed, of closure and activity; naming sounds; SyncLoss.

        Args:
            batch: Stacked examples whose length is a multiple of 4.
            without: Of LOSSES, those to leave out.
        """
        mel, target, sound = batch.mel, batch.target, batch.sound  # [B, L, ...]
        features = self.model.features(mel)
        said = self.model.read_out(features)
        off = (said[..., :-2] - target[..., :-2]) * self.weights
        loss = 10.0 * off.square().mean()
        if "speed" not in without:
            loss = loss + 20.0 * off.diff(dim=1).square().mean()
        if "gap" not in without:  # what is seen first of all: how far the lips are apart
            opens, should = ((x[..., :-2] @ self.gaps).clamp_min(0.0) for x in (said, target))
            parted = opens * (1.0 - said[..., -2].sigmoid()) * said[..., -1].sigmoid()
            loss = loss + 40.0 * (parted - should * (1.0 - target[..., -2])).square().mean()
        # closed lips are rare and short: missing one costs more than closing for nothing
        weight = None if "emphasis" in without else 1.0 + target[..., -2]
        shut = nn.functional.binary_cross_entropy_with_logits(
            said[..., -2], target[..., -2], weight=weight
        )
        # and a mouth at rest in the midst of a word more than one that moves to music
        talks = nn.functional.binary_cross_entropy_with_logits(
            said[..., -1], target[..., -1], weight=1.0 + 2.0 * target[..., -1]
        )
        loss = loss + 2.0 * shut + 0.3 * talks
        if "naming" not in without:
            named = self.namer(features).transpose(1, 2).reshape(*sound.shape, len(NAMES))
            loss = loss + 0.5 * nn.functional.cross_entropy(
                named.flatten(0, 1), sound.flatten(), label_smoothing=0.05
            )
        if "sync" not in without:
            mouth = torch.cat([said[..., :-2], said[..., -2:].sigmoid()], -1)
            loss = loss + 0.1 * self.judge(mel, target) + 0.03 * self.judge(mel, mouth, fixed=True)
        return loss


def train(
    data: list[Labelled],
    *,
    steps: int,
    seconds: float = 0.0,
    state: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    batch: int = 8,
    rate: float = 2e-3,
    config: ArticulationConfig = ArticulationConfig(),  # noqa: B008
    start: Mapping[str, Tensor] | None = None,
    without: frozenset[str] = frozenset(),
    device: torch.device = torch.device("cpu"),  # noqa: B008
    workers: int = 0,
) -> Iterator[Articulation]:
    """The network after each round, with the running mean of its weights; prints the loss.

    Args:
        data: Utterances at 16 kHz.
        steps: In all, those before a resumption included.
        seconds: In which to train instead, if not 0.
        state: Where to keep what is needed to go on.
        resume: Go on from there.
        seed: Of weights and examples.
        batch: Examples a step.
        rate: Highest learning rate; it rises over 300 steps and falls as a cosine.
        config: Sizes of the network.
        start: Weights to begin with, of a network with no more blocks and as wide or half as wide.
        without: Of LOSSES, those to leave out.
        device: Where to learn.
        workers: Processes that make examples; 0 for this one.
    """
    torch.random.default_generator.manual_seed(seed)
    lesson = Lesson(config)
    if start is not None:
        grow(lesson.model, start, torch.Generator().manual_seed(seed))
    lesson.to(device)
    mean = {name: tensor.detach().clone() for name, tensor in lesson.model.state_dict().items()}
    shown = Articulation(config).train(False)
    optimizer = torch.optim.AdamW(lesson.parameters(), lr=rate, weight_decay=1e-2)
    done = 0
    if resume and state is not None:
        kept = torch.load(state, weights_only=True, map_location=device)
        lesson.load_state_dict(kept["lesson"])
        optimizer.load_state_dict(kept["optimizer"])
        mean, done = kept["mean"], int(kept["step"])
    batches = Batches(data, batch, [seed, done], "background" not in without)
    loader = iter(DataLoader(batches, batch_size=None, num_workers=workers))
    opened = time.monotonic()
    way = 0.0
    while done < steps and way < 1.0:
        began = time.monotonic()
        losses = []
        for _ in range(min(ROUND, steps - done)):
            way = (time.monotonic() - opened) / seconds if seconds else done / steps
            if way >= 1.0:
                break
            rise = min(1.0, (done + 1) / 300)
            for group in optimizer.param_groups:
                group["lr"] = rate * rise * max(0.5 + 0.5 * math.cos(math.pi * way), 0.01)
            loss = lesson(next(loader).to(device), without)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(lesson.parameters(), 1.0)
            optimizer.step()
            keep = min(MEAN, (done + 1) / (done + 10))  # the first weights are soon forgotten
            names = list(mean)
            now = lesson.model.state_dict()
            torch._foreach_lerp_([mean[k] for k in names], [now[k] for k in names], 1.0 - keep)
            losses.append(loss.detach())
            done += 1
        if not losses:
            break
        took = time.monotonic() - began
        shown_loss = float(torch.stack(losses).mean())
        print(f"step {done}/{steps}  loss {shown_loss:.4f}  {took:.0f} s", flush=True)
        if state is not None:
            kept = {
                "lesson": lesson.state_dict(),
                "optimizer": optimizer.state_dict(),
                "mean": mean,
                "step": done,
            }
            torch.save(kept, state)
        shown.load_state_dict(mean)
        yield shown


def grow(model: Articulation, start: Mapping[str, Tensor], generator: torch.Generator) -> None:
    """Give the network the weights of a shallower one, as wide or half as wide.

    Further blocks change nothing yet; channels come twice, each counted about half.

    Args:
        model: The network that begins.
        start: Weights of the smaller one.
        generator: Which of two equal channels counts how much, so that they part while learning.

    Raises:
        ValueError: It is no such network.

    Source: Chen et al., "Net2Net", ICLR 2016.
    """
    own = model.state_dict()
    widened = {k: _widen(v, own[k], generator) for k, v in start.items() if k in own}
    missing = [name for name in own if name not in start]
    fits = all(widened[k].shape == own[k].shape for k in widened)
    if len(widened) != len(start) or not fits or any(n.split(".")[0] != "blocks" for n in missing):
        raise ValueError("'--start' is no shallower network that is as wide or half as wide.")
    for name in missing:
        widened[name] = torch.zeros_like(own[name]) if ".mix." in name else own[name]
    model.load_state_dict(widened)


def _widen(weight: Tensor, like: Tensor, generator: torch.Generator) -> Tensor:
    """A weight, or a bias, whose channels come twice wherever `like` has twice as many."""
    out = weight
    if out.shape[0] * 2 == like.shape[0]:
        out = torch.cat([out, out])
    if out.ndim > 1 and out.shape[1] * 2 == like.shape[1]:
        share = 0.5 + 0.2 * (torch.rand(out.shape, generator=generator) - 0.5)
        out = torch.cat([out * share, out * (1.0 - share)], 1)
    return out


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights of a smaller network")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dev-speakers", nargs="*", default=[], help="speakers to leave out")
    parser.add_argument("--without", nargs="*", default=[], help="losses or sources to leave out")
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")  # on GPUs that know TF32
    torch.set_num_threads(args.threads)
    data = [
        item
        for folder in args.data
        for item in read(folder)
        if item.speaker not in args.dev_speakers and item.source not in args.without
    ]
    for model in train(
        data,
        steps=10**9 if args.seconds else args.steps,
        seconds=args.seconds,
        batch=args.batch,
        device=torch.device(args.device),
        workers=args.workers,
        state=args.out.with_suffix(".state"),
        resume=args.resume,
        seed=args.seed,
        rate=args.rate,
        config=ArticulationConfig(dropout=DROPOUT),
        start=safetensors.torch.load_file(args.start) if args.start else None,
        without=frozenset(args.without),
    ):
        save_checkpoint(
            args.out,
            dict(model.state_dict()),
            format=FORMAT,
            config=asdict(replace(model.config, dropout=0.0)),
            source="see audio_to_motion",
            licence="Apache-2.0",
        )


if __name__ == "__main__":
    main()
