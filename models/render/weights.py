"""A renderer's weight file: its config in the header, the denoiser's weights, checked by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoint import WEIGHTS, CheckpointError, load_checkpoint
from .config import RendererConfig
from .keys import OWN, checked, part
from .unet import UNet

FORMAT = "synchrorama.renderer"
BUILTIN_FILE = WEIGHTS / "renderer.safetensors"

# Each of our paths ends in layers that start at zero: untrained, all of them still are.
_LAST = {"emotion": ".to_out.0.weight", "speech": ".to_out.0.weight", "scene": ".to_out.0.weight"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Renderer:
    """A renderer as its file holds it."""

    config: RendererConfig
    tensors: Mapping[str, Tensor]  # the denoiser's state dict
    name: str  # of the file, for messages


def load_renderer(path: Path) -> Renderer:
    """A renderer from a file in the pack's own format.

    Raises:
        CheckpointError: The file is not there, broken, of another format, or its weights do not
            fit its config; keys that are missing, unknown, of another shape or not finite are
            named, the first five of them.
    """
    if path == BUILTIN_FILE and not path.is_file():
        raise CheckpointError(
            "The built-in renderer's weights are not part of this version of the pack. Choose a "
            "file from the folder models/synchrorama, or use the motion frames as they are."
        )
    tensors, header = load_checkpoint(path, FORMAT)
    try:
        config = RendererConfig.from_json(header)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"Weight file '{path.name}' has a header from another version of the pack ({error}). "
            "Get a file for this version."
        ) from error
    if config.codec != "unshuffle" or config.prediction != "motion" or config.reference:
        raise CheckpointError(
            f"Weight file '{path.name}' is a renderer '{config.name}', which these nodes cannot "
            "use yet. Choose a file that was trained by this pack."
        )
    ours = part(tensors, "denoiser.")
    foreign = {key: value for key, value in tensors.items() if not key.startswith("denoiser.")}
    network = UNet(config.denoiser, device=torch.device("meta"))
    complete = checked(network, {**ours, **foreign}, path.name)
    return Renderer(config=config, tensors=complete, name=path.name)


def trained_paths(tensors: Mapping[str, Tensor]) -> frozenset[str]:
    """Which of "emotion", "speech" and "scene" have an effect with these weights."""
    return frozenset(
        name
        for name, ending in _LAST.items()
        if any(
            key.startswith(f"{OWN}{name}.") and key.endswith(ending) and bool(value.any())
            for key, value in tensors.items()
        )
    )
