"""Train speech → motion, stage 4, in one command; or join parts that are trained already.

    python -m synchrorama.training.audio_to_motion --data DIR --out FILE.safetensors
        [--steps 12000] [--gesture-steps 1200] [--articulation FILE [FILE ...]] [--gestures FILE]

DIR is what speech_data.py wrote. A part that is given as a file, as articulation.py and gestures.py
write it, is not trained. Several of articulation, each trained on from the one before, become one
by the mean of their weights.

Source of that mean: Wortsman et al., "Model soups", ICML 2022.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..models.checkpoint import load_checkpoint, save_checkpoint
from ..models.motion.articulation import ArticulationConfig
from ..models.motion.audio_to_motion import FORMAT, AudioToMotion, AudioToMotionConfig
from . import articulation, gestures
from .speech_data import Labelled, read

SOURCE = (
    "Trained on emodb (Burkhardt et al. 2005; speakers 13, 14 and sentences b09, b10 held out) and "
    "on actors of the games Flight of the Amazon Queen and Beneath a Steel Sky and on synthetic "
    "speech; mouth targets made by rules from phone times, gestures by rules from prosody and "
    "emotion."
)


def join(
    mouth: Mapping[str, Tensor], face: Mapping[str, Tensor], config: AudioToMotionConfig, out: Path
) -> None:
    """Write both parts as the one file that ships, in half precision.

    Args:
        mouth: State of an Articulation.
        face: State of a Gestures; its posterior, which only learning needs, is left out.
        config: Sizes of both.
        out: File to write.

    Raises:
        RuntimeError: A part does not fit the config.
    """
    model = AudioToMotion(config)
    model.articulation.load_state_dict(dict(mouth))
    kept = {k: v for k, v in face.items() if not k.startswith("posterior.")}
    model.gestures.load_state_dict(kept)
    save_checkpoint(
        out,
        {name: tensor.half() for name, tensor in model.state_dict().items()},
        format=FORMAT,
        config=model.config_dict(),
        source=SOURCE,
        licence="Apache-2.0",
    )


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of networks of the same sizes, by name.

    Args:
        states: At least one.

    Raises:
        ValueError: They are of different sizes.
    """
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(one != shapes[0] for one in shapes):
        raise ValueError("The files of '--articulation' are networks of different sizes.")
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--gesture-steps", type=int, default=1200)
    parser.add_argument("--articulation", type=Path, nargs="+", help="a part trained already")
    parser.add_argument("--gestures", type=Path, help="a part trained already")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data: list[Labelled] = [item for folder in args.data for item in read(folder)]
    config = AudioToMotionConfig()
    if args.articulation:
        parts = [load_checkpoint(path, articulation.FORMAT) for path in args.articulation]
        mouth = mean_of([tensors for tensors, _ in parts])
        sizes = {**parts[0][1], "dilations": tuple(parts[0][1]["dilations"])}
        config = replace(config, articulation=ArticulationConfig(**sizes))
    else:
        *_, heard = articulation.train(data, steps=args.steps)
        mouth = heard.state_dict()
    if args.gestures:
        face, sizes = load_checkpoint(args.gestures, gestures.FORMAT)
        config = replace(config, gestures=replace(config.gestures, stride=sizes["stride"]))
    else:
        *_, moved = gestures.train(data, steps=args.gesture_steps)
        face = moved.state_dict()
    join(mouth, face, config, args.out)


if __name__ == "__main__":
    main()
