"""What a frozen wav2vec 2.0 hears, for lips that were trained on it.

Shapes: S samples at 16 kHz, N = ceil(S / 320) frames (50 a second), W = 768 features.

Source: Baevski et al., "wav2vec 2.0", NeurIPS 2020; the folder's own code is transformers'.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoint import CheckpointError
from ..huggingface import load_transformers, load_whole, read_config, wants_unit_variance
from .articulation import SPEECH_FEATURES

STEP, REACH = 320, 400  # samples from one frame to the next, and under one frame
WINDOW, AROUND = 1000, 100  # frames heard at a time, and more on both sides


class Listener(nn.Module):
    """wav2vec 2.0 from a folder of Hugging Face, without what it was made to answer."""

    def __init__(self, network: nn.Module, *, normal: bool) -> None:
        """Args: network: transformers' Wav2Vec2Model. normal: Unit variance wanted."""
        super().__init__()
        self.network = network
        self.normal = normal

    @staticmethod
    def _hears(config: dict[str, Any]) -> bool:
        kind, width = config.get("model_type"), config.get("hidden_size")
        return kind == "wav2vec2" and width == SPEECH_FEATURES

    @classmethod
    def fits(cls, folder: Path) -> bool:
        """Whether a folder holds a wav2vec 2.0 of the right width, with weights that are opened."""
        try:
            return cls._hears(read_config(folder))
        except CheckpointError:
            return False

    @classmethod
    def from_folder(cls, folder: Path) -> Listener:
        """The folder's network on the CPU, for inference.

        Raises:
            CheckpointError: Files are missing, pickled or broken, the folder holds something else,
                or transformers is not installed.
        """
        config = read_config(folder)
        if not cls._hears(config):
            raise CheckpointError(
                f"'{folder.name}' holds {config.get('model_type', 'something unnamed')} of width "
                f"{config.get('hidden_size', 'unknown')}, needed is wav2vec2 of width "
                f"{SPEECH_FEATURES}. Choose a folder like wav2vec2-base-960h."
            )
        normal = wants_unit_variance(folder)
        return cls(load_whole(load_transformers().Wav2Vec2Model, folder), normal=normal)

    @torch.no_grad()
    def hear(self, mono: Tensor, on_step: Callable[[int, int], None] | None = None) -> Tensor:
        """Features [N, W] of a whole clip, float32 on the CPU; memory is that of one window.

        Attention ends at the window, so that frames near its ends differ a little from what one
        pass would give; two seconds on both sides are heard and thrown away.

        Args:
            mono: [S], of `speech.to_mono`.
            on_step: Called with (windows done, windows in all) after each; may raise to cancel.
        """
        frames = -(-len(mono) // STEP)
        if self.normal:
            mono = mono - mono.mean()
            mono = mono / (mono.square().mean() + 1e-7).sqrt()
        before = (REACH - STEP) // 2  # so that frame n is centred on its 20 ms
        padded = nn.functional.pad(mono, (before, frames * STEP + before - len(mono)))
        weight = next(self.network.parameters())
        starts, parts = range(0, frames, WINDOW), []
        for done, start in enumerate(starts):
            stop = min(start + WINDOW, frames)
            low, high = max(0, start - AROUND), min(frames, stop + AROUND)
            piece = padded[low * STEP : (high - 1) * STEP + REACH].to(weight)
            heard = self.network(piece[None]).last_hidden_state[0]  # [high - low, W]
            parts.append(heard[start - low : stop - low].float().cpu())
            if on_step is not None:
                on_step(done + 1, len(starts))
        return torch.cat(parts)
