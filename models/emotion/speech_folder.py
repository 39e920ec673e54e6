"""Speech models from Hugging Face folders: classes of emotion, or arousal, dominance, valence.

Shapes: B windows, S samples at 16 kHz, N labels of the folder, W its hidden width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..checkpoint import CheckpointError
from ..huggingface import load_transformers, load_whole, read_config, wants_unit_variance
from .circumplex import to_scores, to_valence_arousal
from .huggingface import class_map, labels

# Architectures that take the waveform itself; their base model is an attribute of this name.
BASES: dict[str, str] = {
    "Wav2Vec2": "wav2vec2",
    "Hubert": "hubert",
    "WavLM": "wavlm",
    "UniSpeechSat": "unispeech_sat",
}
HEADS = ("ForSequenceClassification", "ForSpeechClassification")


class SpeechFolder(nn.Module):
    """A published speech model behind the same door as the built-in one."""

    class_table: Tensor

    def __init__(self, network: nn.Module, names: list[str], folder: str, *, normal: bool) -> None:
        """Args: network: [B, S] → logits [B, N]. names: N labels. normal: Unit variance wanted."""
        super().__init__()
        self.network = network
        self.normal = normal
        plain = [name.strip().lower() for name in names]
        self.measures = [plain.index(n) if n in plain else -1 for n in ("valence", "arousal")]
        table, unknown = torch.zeros(len(names), 8), tuple(names)
        if not self.tells_valence_arousal:
            table, unknown = class_map(names, folder)
        self.unknown = unknown if not self.tells_valence_arousal else ()
        self.register_buffer("class_table", table)

    @property
    def tells_valence_arousal(self) -> bool:
        """Whether its outputs are valence and arousal, and not classes."""
        return min(self.measures) >= 0

    @classmethod
    def from_folder(cls, folder: Path) -> SpeechFolder:
        """The folder's model on the CPU, for inference.

        Args:
            folder: As the hub gives it, with config.json and model.safetensors.

        Raises:
            CheckpointError: Files are missing, pickled or broken, the folder holds another kind of
                model, its labels are unknown, or transformers is not installed.
        """
        config = read_config(folder)
        family = _family(config, folder.name)
        normal = wants_unit_variance(folder)
        network = _load(folder, family)
        names = labels(config)
        return cls(network, names, folder.name, normal=normal)

    def listen(self, samples: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Scores [B, 8], valence–arousal [B, 2], and how sure each of them is, [B] and [B].

        A folder with valence and arousal does not say how sure it is: that is 0.5 then.

        Args:
            samples: [B, S] at 16 kHz, 25 ms or more.
            frames: Not needed.
        """
        if samples.shape[1] < 400:  # the least that wav2vec 2.0's convolutions take
            samples = nn.functional.pad(samples, (0, 400 - samples.shape[1]))
        if self.normal:
            samples = samples - samples.mean(1, keepdim=True)
            samples = samples / (samples.square().mean(1, keepdim=True) + 1e-7).sqrt()
        said = self.network(samples)
        logits: Tensor = getattr(said, "logits", said)
        if self.tells_valence_arousal:
            point = (logits[:, self.measures] * 2.0 - 1.0).clamp(-1.0, 1.0)
            half = torch.full_like(point[:, 0], 0.5)
            return to_scores(point), point, half, half
        known = logits.softmax(1) @ self.class_table.to(logits)  # [B, 8]
        sure = known.amax(1)  # what it gives to unknown labels is doubt
        scores = known / known.sum(1, keepdim=True).clamp_min(1e-6)
        return scores, to_valence_arousal(scores), sure, sure


def _family(config: dict[str, Any], folder: str) -> str:
    """Which of BASES the folder holds."""
    made = (config.get("architectures") or ["nothing that it names"])[0]
    for family in BASES:
        if any(made == family + head for head in HEADS):
            return family
    raise CheckpointError(
        f"'{folder}' holds {made}, needed is a classifier of waveforms: "
        f"{', '.join(BASES)} with {' or '.join(HEADS)}. Choose another folder."
    )


def _load(folder: Path, family: str) -> nn.Module:
    """The network [B, S] → logits, with the head that the folder's weights have."""
    transformers = load_transformers()
    keys: set[str] = set()
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                keys.update(file.keys())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"'{path.name}' in '{folder.name}' cannot be read ({error}). Get it again."
            ) from error
    if "classifier.dense.weight" in keys:
        return _with_dense_head(transformers, folder, family)
    network: nn.Module = load_whole(
        getattr(transformers, f"{family}ForSequenceClassification"), folder
    )
    return network


def _with_dense_head(transformers: Any, folder: Path, family: str) -> nn.Module:
    """The layout of audeering's folders: mean over time, dense, tanh, out_proj."""
    base_class = getattr(transformers, f"{family}Model")
    base_name = BASES[family]

    class Head(nn.Module):
        def __init__(self, width: int, outputs: int) -> None:
            super().__init__()
            self.dense = nn.Linear(width, width)
            self.out_proj = nn.Linear(width, outputs)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.out_proj(self.dense(x).tanh())
            return out

    class DenseClassifier(base_class.__mro__[1]):  # type: ignore[misc, name-defined]  # the family's base class
        base_model_prefix = base_name

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            setattr(self, base_name, base_class(config))
            self.classifier = Head(config.hidden_size, config.num_labels)
            self.post_init()

        def forward(self, samples: Tensor) -> Tensor:
            hidden = getattr(self, base_name)(samples).last_hidden_state  # [B, L, W]
            out: Tensor = self.classifier(hidden.mean(1))
            return out

    network: nn.Module = load_whole(DenseClassifier, folder)
    return network
