"""Self-describing checkpoints: one safetensors file holds the weights and a JSON header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"  # what ships with the pack


class CheckpointError(ValueError):
    """A weight file that is missing, broken, or made for something else."""


def save_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    format: str,
    config: Mapping[str, Any],
    source: str,
    licence: str,
) -> None:
    """Write tensors with the header {format, config, source, licence}.

    Args:
        path: File to write, .safetensors.
        tensors: Names to tensors of any shape, saved in the dtype they have.
        format: What the file is, e.g. "synchrorama.head"; checked on loading.
        config: Plain values from which the model is built.
        source: What the weights were made from.
        licence: SPDX name of the weights' licence.
    """
    header = {
        "format": format,
        "config": json.dumps(dict(config)),
        "source": source,
        "licence": licence,
    }
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path, header)


def load_checkpoint(path: Path, format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (CPU; half precision comes back as float32) and config of a checkpoint.

    Args:
        path: A file written by `save_checkpoint`.
        format: The format that the caller needs.

    Raises:
        CheckpointError: The file is missing, cut short, or of another format.
    """
    if not path.is_file():
        raise CheckpointError(
            f"Weight file '{path.name}' is not in '{path.parent}'. Install the pack again, or put "
            "the file there."
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"Weight file '{path.name}' cannot be read ({error}). It was probably cut short while "
            "copying: get it again."
        ) from error
    if header.get("format") != format:
        raise CheckpointError(
            f"Weight file '{path.name}' holds '{header.get('format', 'an unknown format')}', "
            f"needed is '{format}'. Choose another file."
        )
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    return floats, json.loads(header.get("config", "{}"))


def read_header(path: Path) -> tuple[str, dict[str, Any]]:
    """Format and config of a checkpoint, without its tensors; "" and nothing of any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        return header.get("format", ""), json.loads(header.get("config", "{}"))
    except (SafetensorError, OSError, ValueError):
        return "", {}


def fill_module(module: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Copy tensors into a module, strictly, and switch it to inference.

    Args:
        module: Built from the checkpoint's config.
        tensors: A complete state dict for it.
        name: How the file is called in the message.

    Raises:
        CheckpointError: Keys are missing or unknown (the first five are shown), or a shape differs.
    """
    own = module.state_dict()
    wrong = sorted(own.keys() ^ tensors.keys()) or [
        key for key in own if own[key].shape != tensors[key].shape
    ]
    if wrong:
        raise CheckpointError(
            f"Weight file '{name}' does not fit {type(module).__name__}: "
            f"{len(wrong)} keys differ, first {', '.join(wrong[:5])}."
        )
    module.load_state_dict(dict(tensors))
    module.train(False).requires_grad_(False)
