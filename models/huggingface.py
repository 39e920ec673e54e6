"""Folders as the Hugging Face hub gives them: config.json beside safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checkpoint import CheckpointError
from .speech import SAMPLE_RATE


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


def load_transformers() -> Any:
    """The package transformers, which only such folders need.

    Raises:
        CheckpointError: It is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise CheckpointError(
            "Hugging Face folders need the package transformers, which is not installed. Run "
            "'pip install transformers' in ComfyUI's Python, or choose 'built-in'."
        ) from error
    return transformers


def wants_unit_variance(folder: Path) -> bool:
    """Whether a folder's speech model wants its waveform at unit variance.

    Raises:
        CheckpointError: It hears another sample rate than 16 kHz.
    """
    path = folder / "preprocessor_config.json"
    asked = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    rate = int(asked.get("sampling_rate", SAMPLE_RATE))
    if rate != SAMPLE_RATE:
        raise CheckpointError(
            f"'{folder.name}' hears {rate} samples a second, needed are {SAMPLE_RATE}. Choose "
            "another folder."
        )
    return bool(asked.get("do_normalize", True))


def load_whole(model_class: Any, folder: Path) -> Any:
    """A transformers model with every weight from the folder, on the CPU, for inference.

    Args:
        model_class: With from_pretrained, e.g. transformers.AutoModelForSequenceClassification.
        folder: Checked by `read_config`.

    Raises:
        CheckpointError: The weights cannot be read, or do not fill the model.
    """
    try:
        model, info = model_class.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises what its many parts raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"'{folder.name}' cannot be loaded ({reason}). Get the folder again, or choose another."
        ) from error
    wrong = sorted({*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])})
    if wrong:
        raise CheckpointError(
            f"'{folder.name}' lacks {len(wrong)} weights of {type(model).__name__}, first "
            f"{', '.join(wrong[:5])}. It was made by other code: choose another folder."
        )
    return model.float().train(False).requires_grad_(False)
