"""Train speech → mouth, the first model of stage 4.

    python -m synchrorama.training.audio_to_motion --data DIR --out FILE.safetensors
        [--epochs 14] [--dev-speakers 12] [--threads 1]

DIR is what speech_data.py wrote. Each epoch hears each utterance once, in another random room.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..models import speech
from ..models.checkpoint import save_checkpoint
from ..models.motion.audio_to_motion import FORMAT, AudioToMotion
from .augment import augment
from .phones import ALPHABET, Phone
from .speech_data import Labelled, read
from .visemes import fill_gaps, mouth_track

CROP = 320  # mel frames of one training example, even
NAMES = sorted(ALPHABET)
SOURCE = (
    "Trained from scratch on emodb (Burkhardt et al. 2005; speakers 13, 14 and sentences b09, b10 "
    "held out) and on synthetic speech of espeak-ng and flite; mouth targets made by rules from "
    "phone times."
)
# how much an error of each shape counts; jaw and rounding carry speech
WEIGHTS = torch.tensor([4.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0])


@dataclass(frozen=True, eq=False)
class Example:
    """Features and targets of one piece of speech."""

    mel: Tensor  # [L, 80]
    target: Tensor  # [L, 11] shapes, closure, activity
    sound: Tensor  # [L] int64, which of NAMES is said


def example(samples: np.ndarray, phones: list[Phone], clean: np.ndarray | None = None) -> Example:
    """Features of the samples and what the mouth does to say them.

    Args:
        samples: [S] at 16 kHz.
        phones: What is said in them.
        clean: [S] the same without noise, from which vocal effort is measured.
    """
    mel = speech.log_mel(torch.from_numpy(samples))
    quiet = samples if clean is None else clean
    padded = np.pad(quiet, (0, len(mel) * speech.HOP - len(quiet)))
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
    data: list[Labelled], chance: np.random.Generator, synthetic: float = 1.0
) -> list[Example]:
    """A random piece of each utterance in a random room; real speech comes three times.

    Args:
        data: Utterances at 16 kHz.
        chance: Where randomness comes from.
        synthetic: Share of the synthetic utterances that is taken.
    """
    out = []
    real = [item for item in data if item.source == "emodb"]
    made = [item for item in data if item.source != "emodb"]
    taken = chance.permutation(len(made))[: round(synthetic * len(made))]
    for item in [*real * 3, *(made[i] for i in taken)]:
        samples, phones = augment(*piece(item, chance), chance)
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


def piece(item: Labelled, chance: np.random.Generator) -> tuple[np.ndarray, list[Phone]]:
    """At most 1.25 CROP frames out of an utterance."""
    samples, phones = item.utterance.samples, item.utterance.phones
    most = CROP * speech.HOP * 5 // 4
    first = int(chance.integers(0, max(1, len(samples) - most + 1)))
    seconds = first / speech.SAMPLE_RATE
    moved = [Phone(p.name, p.start - seconds, p.end - seconds) for p in phones]
    stop = min(len(samples) - first, most) / speech.SAMPLE_RATE
    kept = [Phone(p.name, max(p.start, 0.0), min(p.end, stop)) for p in moved]
    return samples[first : first + most], [p for p in kept if p.end > p.start]


def crop(item: Example, chance: np.random.Generator) -> Example:
    """CROP frames of an example, with silence after it where it is shorter."""
    start = int(chance.integers(0, max(1, len(item.mel) - CROP + 1)))
    mel, target, sound = (x[start : start + CROP] for x in (item.mel, item.target, item.sound))
    missing = CROP - len(mel)
    return Example(
        nn.functional.pad(mel, (0, 0, 0, missing), value=-2.0),
        nn.functional.pad(target, (0, 0, 0, missing)),
        nn.functional.pad(sound, (0, missing), value=NAMES.index("sil")),
    )


def loss_of(model: AudioToMotion, namer: nn.Conv1d, batch: list[Example]) -> Tensor:
    """Errors of shapes, of their speed, of closure and activity, and of naming the sounds.

    Naming the sounds is not what the network is for; it makes it learn to hear sooner, and `namer`
    is thrown away afterwards.

    Args:
        model: The network.
        namer: From the trunk's features to NAMES, twice, for every 20 ms.
        batch: Examples of equal, even length.
    """
    mel = torch.stack([item.mel for item in batch])
    target = torch.stack([item.target for item in batch])  # [B, L, 11]
    sound = torch.stack([item.sound for item in batch])  # [B, L]
    features = model.features(mel)
    said = model.read_out(features)
    weights = WEIGHTS.to(mel)
    error = ((said[..., :-2] - target[..., :-2]).square() * weights).mean()
    speed = ((said[..., :-2] - target[..., :-2]).diff(dim=1).square() * weights).mean()
    shut = nn.functional.binary_cross_entropy_with_logits(said[..., -2], target[..., -2])
    talks = nn.functional.binary_cross_entropy_with_logits(said[..., -1], target[..., -1])
    named = namer(features).transpose(1, 2).reshape(*sound.shape, len(NAMES))
    naming = nn.functional.cross_entropy(named.flatten(0, 1), sound.flatten(), label_smoothing=0.05)
    return 10.0 * error + 20.0 * speed + 2.0 * shut + 0.3 * talks + 0.3 * naming


def train(
    data: list[Labelled],
    *,
    epochs: int,
    synthetic: float = 1.0,
    seed: int = 0,
    batch: int = 8,
    rate: float = 2e-3,
) -> Iterator[AudioToMotion]:
    """The network after each epoch, the last one trained; prints the loss."""
    torch.random.default_generator.manual_seed(seed)
    model = AudioToMotion()
    namer = nn.Conv1d(model.config.width, 2 * len(NAMES), 1)
    chance = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *namer.parameters()], lr=rate, weight_decay=1e-2
    )
    made: list[Example] = []
    schedule: torch.optim.lr_scheduler.OneCycleLR | None = None
    for epoch in range(epochs):
        began = time.monotonic()
        if epoch % 2 == 0:  # making examples takes as long as learning from them
            made = examples(data, chance, synthetic)
        pieces = [crop(item, chance) for item in made]
        order = chance.permutation(len(pieces))
        steps = len(pieces) // batch
        if schedule is None:
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, rate, total_steps=(steps + 1) * epochs, pct_start=0.15
            )
        losses = []
        for step in range(steps):
            chosen = [pieces[i] for i in order[step * batch : (step + 1) * batch]]
            loss = loss_of(model, namer, chosen)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        took = time.monotonic() - began
        print(f"epoch {epoch + 1}/{epochs}  loss {np.mean(losses):.4f}  {took:.0f} s", flush=True)
        yield model


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--synthetic", type=float, default=1.0, help="share heard per epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dev-speakers", nargs="*", default=[], help="emodb speakers to leave out")
    parser.add_argument("--sources", nargs="*", help="use only these sources")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = [
        item
        for item in read(args.data)
        if (item.source != "emodb" or item.speaker not in args.dev_speakers)
        and (not args.sources or item.source in args.sources)
    ]
    for model in train(data, epochs=args.epochs, synthetic=args.synthetic, seed=args.seed):
        save_checkpoint(
            args.out,
            {name: tensor.half() for name, tensor in model.state_dict().items()},
            format=FORMAT,
            config=model.config_dict(),
            source=SOURCE,
            licence="Apache-2.0",
        )


if __name__ == "__main__":
    main()
