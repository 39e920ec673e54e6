"""Weights of other people's files, and of our own, checked key by key.

The networks carry the key names of the published families, so a foreign file needs a table only
for how its family packs several networks, or names a VAE's layers. What we add begins with
`synchrorama.` and may be absent from a file: it then stays at zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checkpoint import CheckpointError

OWN = "synchrorama."


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """How a file's keys are called in ours: (beginning in the file, beginning in ours) pairs."""

    beginnings: Sequence[tuple[str, str]]
    shifts: Mapping[str, int] | None = None  # of the number after a beginning of ours, into ours

    def to_ours(self, tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
        """Tensors under our keys.

        Args:
            tensors: As the file has them.
            name: How the file is called in the message.

        Raises:
            CheckpointError: A key that is not in the table; the first five are shown.
        """
        return self._rename(tensors, name, [(a, b) for a, b in self.beginnings], 1)

    def to_file(self, tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
        """The reverse of `to_ours`."""
        return self._rename(tensors, name, [(b, a) for a, b in self.beginnings], -1)

    def _rename(
        self, tensors: Mapping[str, Tensor], name: str, pairs: Sequence[tuple[str, str]], sign: int
    ) -> dict[str, Tensor]:
        renamed: dict[str, Tensor] = {}
        unknown = []
        for key, value in tensors.items():
            pair = next((one for one in pairs if key.startswith(one[0])), None)
            if pair is None:
                unknown.append(key)
                continue
            ours = pair[1] if sign > 0 else pair[0]
            rest = _shift(key[len(pair[0]) :], sign * (self.shifts or {}).get(ours, 0))
            renamed[pair[1] + rest] = value
        if unknown:
            raise CheckpointError(
                f"Weight file '{name}' has {len(unknown)} keys that are not known here, first "
                f"{_first(unknown)}. Choose a file of the family that was asked for."
            )
        return renamed


def _shift(rest: str, by: int) -> str:
    return re.sub(r"^\d+", lambda number: str(int(number[0]) + by), rest) if by else rest


# Hallo and Hallo2 pack all networks into net.pth.
HALLO_FILE = KeyTable(
    beginnings=(
        ("denoising_unet.", "denoiser."),
        ("reference_unet.", "reference."),
        ("face_locator.", "locator."),
        ("audioproj.", "audio."),
        ("imageproj.", "face."),
    )
)

# ComfyUI's names of a TAESD, whose decoder counts a clamp as layer 0; ours are AutoencoderTiny's.
TAESD_FILE = KeyTable(
    beginnings=(("taesd_encoder.", "encoder.layers."), ("taesd_decoder.", "decoder.layers.")),
    shifts={"decoder.layers.": -1},
)


def part(tensors: Mapping[str, Tensor], beginning: str) -> dict[str, Tensor]:
    """Tensors whose keys begin so, without the beginning."""
    return {k[len(beginning) :]: v for k, v in tensors.items() if k.startswith(beginning)}


def checked(network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """A complete state dict for a network: the tensors, and the start of our own paths if absent.

    Args:
        network: Built from the config that the weights are for, best with weights on "meta".
        tensors: Under the network's keys, any floating dtype.
        name: How the file is called in the message.

    Raises:
        CheckpointError: Keys are missing, unknown, of another shape, or weights are not finite;
            the first five are shown.
    """
    wanted = network.state_dict()
    given = dict(tensors)
    if not any(key.startswith(OWN) for key in given):
        given.update(own_start({k: v for k, v in wanted.items() if k.startswith(OWN)}))
    unknown = sorted(given.keys() - wanted.keys())
    missing = sorted(wanted.keys() - given.keys())
    shaped = [k for k in given if k in wanted and given[k].shape != wanted[k].shape]
    for wrong, what in ((unknown, "unknown"), (missing, "missing"), (shaped, "of another shape")):
        if wrong:
            raise CheckpointError(
                f"Weight file '{name}' does not fit: {len(wrong)} keys are {what}, first "
                f"{_first(wrong)}. Choose a file of the family that was asked for."
            )
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not _is_finite(v)]
    if broken:
        raise CheckpointError(
            f"Weight file '{name}' has weights that are no numbers in {len(broken)} keys, first "
            f"{_first(broken)}. The file is broken: get it again."
        )
    return given


def own_start(like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Where our own paths start: the last weights zero, so that they add nothing; always alike.

    Args:
        like: Our keys with tensors of the shapes, also on "meta".

    Returns:
        CPU tensors in the dtypes of `like`.
    """
    draw = torch.Generator().manual_seed(0)
    start = {}
    for key, tensor in like.items():
        value = torch.zeros(tensor.shape)
        if key.endswith("norm.weight"):
            value += 1
        elif tensor.ndim > 1 and not re.search(r"(to_out\.0|conv_out)\.weight$", key):
            value = torch.randn(tensor.shape, generator=draw) / tensor[0].numel() ** 0.5
        start[key] = value.to(tensor.dtype)
    return start


def fill(network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Copy weights into a network, strictly, and switch it to inference; raises as `checked`."""
    network.load_state_dict(checked(network, tensors, name))
    network.train(False).requires_grad_(False)


def _is_finite(tensor: Tensor) -> bool:
    return tensor.is_meta or bool(torch.isfinite(tensor).all())


def _first(keys: Sequence[str]) -> str:
    return ", ".join(sorted(keys)[:5])
