"""Folders as the Hugging Face hub gives them: config.json beside safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checkpoint import CheckpointError


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json, after a look at whether its weights can be used.

    Args:
        folder: As the hub gives it: config.json beside model.safetensors.

    Raises:
        CheckpointError: There is no such folder, config.json is missing or broken, or the weights
            are missing or pickled.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"'{folder.name}' holds no config.json. Choose a folder as the Hugging Face hub gives "
            "it, with config.json and model.safetensors side by side."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"config.json in '{folder.name}' cannot be read ({error}). Get it again."
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"config.json in '{folder.name}' does not describe a model. Get it again."
        )
    if not any(folder.glob("*.safetensors")):
        pickled = next((p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt")
                        for p in folder.glob(pattern)), None)  # fmt: skip
        if pickled:
            raise CheckpointError(
                f"'{folder.name}' holds pickled weights ({pickled}), which can run code and are "
                "not opened. Get model.safetensors from the model's page (often on its branch "
                "refs/pr/…), or convert it with the hub's space safetensors/convert."
            )
        raise CheckpointError(
            f"'{folder.name}' holds no model.safetensors. Get it from the model's page on the hub."
        )
    return config
