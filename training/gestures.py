"""Train the part of stage 4 that moves head, brows and face beside speech.

    python -m synchrorama.training.gestures --data DIR --out FILE.safetensors --steps 3000
        [--start FILE] [--without velocity units emotion energy] [--threads 1]

DIR is what speech_data.py wrote. Each round draws voices, feelings and takes anew. --start begins
with what FILE learned; its posterior, which is not kept in it, is learnt again.
Shapes: B clips, T gesture frames (25 a second), G gesture channels.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..models.checkpoint import load_checkpoint, save_checkpoint
from ..models.motion.action_units import matrix, prototypes
from ..models.motion.gestures import (
    CHANNELS,
    EXPRESSIVE,
    RATE,
    Gestures,
    GesturesConfig,
    prosody_of,
)
from ..models.types import ARKIT_INDEX, EMOTIONS
from .articulation import example
from .gesture_targets import expression_table, gesture_targets, random_emotion
from .speech_data import Labelled, read

FORMAT = "synchrorama.gestures"  # an intermediate file; audio_to_motion.py joins the parts
CLIP = 320  # gesture frames of one training example
ROUND = 100  # steps between two draws of takes
LOSSES = ("velocity", "units", "emotion", "energy")
FACE = slice(len(CHANNELS) - len(EXPRESSIVE), len(CHANNELS))
PARTS = (slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 10))  # turn, shift, brows, lips


@dataclass(frozen=True, eq=False)
class Take:
    """Condition and target of one piece of speech."""

    prosody: Tensor  # [T, 22]
    emotion: Tensor  # [T, 10]
    gestures: Tensor  # [T, G]


def voices(data: list[Labelled], count: int, chance: np.random.Generator) -> list[Tensor]:
    """Prosody [T, 22] of utterances drawn at random, without noise."""
    out = []
    for index in chance.permutation(len(data))[:count]:
        spoken = data[int(index)].utterance
        heard = example(spoken.samples, spoken.phones)
        out.append(prosody_of(heard.mel, heard.target[:, -1]))
    return out


def takes(spoken: list[Tensor], count: int, chance: np.random.Generator) -> list[Take]:
    """Random voices one after another, with pauses, each with a random feeling and take."""
    out = []
    for _ in range(count):
        prosody = torch.zeros(CLIP, spoken[0].shape[1])
        now = int(chance.integers(0, RATE)) if chance.random() > 0.05 else CLIP
        while now < CLIP:
            voice = spoken[int(chance.integers(len(spoken)))]
            piece = voice[: CLIP - now]
            prosody[now : now + len(piece)] = piece
            long = chance.random() < 0.15
            now += len(piece) + int(RATE * (chance.uniform(2, 7) if long else chance.uniform(0, 1)))
        emotion = random_emotion(CLIP, chance)
        loud, activity = prosody[:, -2].numpy(), prosody[:, -1].numpy()
        gestures = gesture_targets(loud, activity, emotion, chance)
        if chance.random() < 0.6:  # what is heard in a noisy room
            floor = float(chance.uniform(0.0, 0.5)) * prosody[:, -1:]
            prosody = torch.cat([torch.maximum(prosody[:, :-1], floor), prosody[:, -1:]], 1)
        out.append(Take(prosody, torch.from_numpy(emotion), torch.from_numpy(gestures)))
    return out


class Lesson(nn.Module):
    """The network with its posterior, and a probe that reads the emotion off a face."""

    def __init__(self, config: GesturesConfig, examples: list[Take]) -> None:
        super().__init__()
        self.model = Gestures(config, learns=True)
        every = torch.cat([take.gestures for take in examples])
        # a channel that hardly ever moves is no more important than one that often does
        self.model.middle.copy_(every.mean(0))
        self.model.spread.copy_(every.std(0).clamp_min(0.02))
        self.model.middle[FACE] = 0.0
        self.model.spread[FACE] = 0.2
        self.log_error = nn.Parameter(torch.full((len(CHANNELS),), -0.5))
        self.probe = nn.Sequential(
            nn.Linear(len(EXPRESSIVE), 32), nn.GELU(), nn.Linear(32, len(EMOTIONS))
        )
        columns = [ARKIT_INDEX[name] for name in EXPRESSIVE]
        self.register_buffer("units", matrix()[:, columns])  # [A, E]
        table = torch.from_numpy(expression_table())
        self.register_buffer("table", table @ self.units.T)  # [8, A] at full strength
        self.register_buffer("shown", (prototypes() > 0).float())

    def read(self, face: Tensor, emotion: Tensor, *, fixed: bool = False) -> Tensor:
        """How badly the probe names the emotion [B, T, 10] of a face [B, T, E]."""
        held = {k: v.detach() if fixed else v for k, v in self.probe.named_parameters()}
        said = torch.func.functional_call(self.probe, held, (face,))
        wanted = emotion[..., : len(EMOTIONS)]
        return nn.functional.cross_entropy(said.flatten(0, -2), wanted.flatten(0, -2))

    def forward(
        self, batch: list[Take], without: frozenset[str] = frozenset()
    ) -> dict[str, Tensor]:
        """The losses, each a number.

        Args:
            batch: Takes of CLIP frames.
            without: Of LOSSES, those to leave out.
        """
        model = self.model
        prosody = torch.stack([take.prosody for take in batch])
        emotion = torch.stack([take.emotion for take in batch])
        true = torch.stack([take.gestures for take in batch])
        wanted = (true - model.middle) / model.spread
        condition = model.condition(prosody, emotion)
        assert model.posterior is not None
        mean, log_deviation = model.posterior(wanted, condition)
        latent = mean + log_deviation.exp() * torch.randn_like(mean)
        slower = model.slower(condition)
        noise = model.flow(latent, slower)
        # log q − log p, the flow having no determinant; per frame of gestures
        divergence = (0.5 * noise.square() - log_deviation - 0.5).sum(1).mean() / model.stride
        said = model.decode(latent, condition)
        scale = self.log_error.clamp_min(-1.2)
        off = (said - wanted).square() / (2.0 * (2.0 * scale).exp()) + scale
        losses = {"divergence": divergence, "reconstruction": off.sum(2).mean()}
        if "velocity" not in without:
            losses["velocity"] = 4.0 * (said - wanted).diff(dim=1).abs().mean() * len(CHANNELS) / 8
        drawn, other = (
            model.decode(model.flow.inverse(torch.randn_like(noise), slower), condition)
            for _ in range(2)
        )
        if "energy" not in without:
            losses["energy"] = 6.0 * energy_score(drawn, other, wanted)
        face, drawn_face, true_face = (
            x[..., FACE] * model.spread[FACE] + model.middle[FACE] for x in (said, drawn, wanted)
        )
        if "units" not in without:
            off_units = sum(
                ((one - true_face) @ self.units.T).abs().mean() for one in (face, drawn_face)
            )
            least = 0.8 * emotion[..., : len(EMOTIONS)] @ self.table
            arousal = 0.6  # what the least aroused voice leaves of a face
            short = (arousal * least - drawn_face @ self.units.T).clamp_min(0.0)
            losses["units"] = 20.0 * off_units + 20.0 * short.mean()
        if "emotion" not in without:
            losses["probe"] = self.read(true_face, emotion)
            losses["emotion"] = 0.3 * self.read(drawn_face, emotion, fixed=True)
        return losses


def energy_score(one: Tensor, other: Tensor, wanted: Tensor) -> Tensor:
    """The energy score of two draws from the prior against a true take.

    It is least where draws are distributed as takes are: near what happened, and as far from each
    other as takes.

    Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation",
    Journal of the American Statistical Association 102, 2007, equation 22.

    Args:
        one: [B, T, G] a draw; all in the unit of `spread`.
        other: [B, T, G] another draw under the same condition.
        wanted: [B, T, G] a true take under this condition.
    """
    out = one.new_zeros(())
    for length in (1, 4, 16, 64):  # gesture frames
        pooled = [
            nn.functional.avg_pool1d(x.transpose(1, 2), length).transpose(1, 2)
            for x in (one, other, wanted)
        ]
        for a, b, true in (pooled, [x.diff(dim=1) for x in pooled]):
            for part in PARTS:
                near = _distance(a, true, part) + _distance(b, true, part)
                out = out + 0.5 * (near - _distance(a, b, part))
    return out / 8.0


def _distance(a: Tensor, b: Tensor, part: slice) -> Tensor:
    return ((a - b)[..., part].square().sum(-1) + 1e-6).sqrt().mean()


def train(
    data: list[Labelled],
    *,
    steps: int,
    seed: int = 0,
    batch: int = 6,
    rate: float = 1.5e-3,
    config: GesturesConfig = GesturesConfig(),  # noqa: B008
    start: Mapping[str, Tensor] | None = None,
    without: frozenset[str] = frozenset(),
    heard: int = 500,
) -> Iterator[Gestures]:
    """The network after each round, the last one trained; prints the losses.

    Args:
        data: Utterances at 16 kHz.
        steps: In all.
        seed: Of weights and examples.
        batch: Clips a step.
        rate: Highest learning rate.
        config: Sizes of the network.
        start: What a network of the same sizes learned, without its posterior.
        without: Of LOSSES, those to leave out.
        heard: How many utterances to take voices from.
    """
    torch.random.default_generator.manual_seed(seed)
    chance = np.random.default_rng(seed)
    spoken = voices(data, heard, chance)
    made = takes(spoken, ROUND * batch // 3, chance)
    lesson = Lesson(config, made)
    if start is not None:
        missing, unknown = lesson.model.load_state_dict(dict(start), strict=False)
        if unknown or not all(name.startswith("posterior.") for name in missing):
            raise ValueError("'--start' is a network of other sizes.")
    optimizer = torch.optim.AdamW(lesson.parameters(), lr=rate, weight_decay=1e-2)
    done = 0
    while done < steps:
        began = time.monotonic()
        if done:
            made = takes(spoken, ROUND * batch // 3, chance)
        kept: list[dict[str, float]] = []
        for step in range(min(ROUND, steps - done)):
            now = done + step
            fall = 0.5 + 0.5 * math.cos(math.pi * now / steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (now + 1) / 100) * max(fall, 0.01)
            losses = lesson([made[i] for i in chance.integers(0, len(made), batch)], without)
            share = min(1.0, (now + 1) / (0.2 * steps))  # first learn to say, then to be drawn
            total = sum(
                value * (share if name == "divergence" else 1.0) for name, value in losses.items()
            )
            assert isinstance(total, Tensor)
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(lesson.parameters(), 2.0)
            optimizer.step()
            kept.append({name: float(value.detach()) for name, value in losses.items()})
        done += len(kept)
        means = "  ".join(f"{name} {np.mean([k[name] for k in kept]):.3f}" for name in kept[0])
        print(f"step {done}/{steps}  {means}  {time.monotonic() - began:.0f} s", flush=True)
        yield lesson.model


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--start", type=Path, help="a network of the same sizes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stride", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dev-speakers", nargs="*", default=[], help="speakers to leave out")
    parser.add_argument("--without", nargs="*", default=[], help="losses to leave out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = [
        item
        for folder in args.data
        for item in read(folder)
        if item.speaker not in args.dev_speakers
    ]
    for model in train(
        data,
        steps=args.steps,
        seed=args.seed,
        config=GesturesConfig(stride=args.stride),
        start=load_checkpoint(args.start, FORMAT)[0] if args.start else None,
        without=frozenset(args.without),
    ):
        tensors = {k: v for k, v in model.state_dict().items() if not k.startswith("posterior.")}
        save_checkpoint(
            args.out,
            tensors,
            format=FORMAT,
            config={"stride": model.config.stride},
            source="see audio_to_motion",
            licence="Apache-2.0",
        )


if __name__ == "__main__":
    main()
