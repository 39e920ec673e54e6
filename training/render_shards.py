"""Examples for the renderer, and the files that hold them.

Shapes: F frames of an example, H W pixels of the crop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .render_tracks import pack, unpack

FORMAT = "synchrorama.render_shard"
SHARD = 64e6  # bytes of a shard at most
FIELDS = ("reference", "motion", "target", "weight")
SIGNALS = ("emotion", "speech")


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """Some consecutive frames of one clip."""

    clip: str  # where it is from; all of a clip is either trained on or held out
    reference: Tensor  # [1, H, W, 3] uint8
    motion: Tensor  # [F, H, W, 3] uint8, drawn from the reference by tracked motion
    target: Tensor  # [F, H, W, 3] uint8, what the clip shows
    weight: Tensor  # [F, H, W, 3] uint8, 255 at mouth and eyes, 0 elsewhere
    emotion: Tensor | None = None  # [F, 256] Z_emo, where it is known
    speech: Tensor | None = None  # [F, L, M] mel features around each frame, where there is sound


class ShardWriter:
    """Writes examples into files of at most 64 MB; pictures are WebP without loss, or raw."""

    def __init__(
        self, folder: Path, limit: float = SHARD, *, name: str = "shard", raw: bool = False
    ) -> None:
        """Prepare to write.

        Args:
            folder: Where to.
            limit: Bytes of a file at most.
            name: How files' names begin; writers that share a folder have different ones.
            raw: Write pixels as they are, ten times as large and quickly read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit, self.name, self.raw = folder, limit, name, raw
        self.count = self.size = self.shards = 0
        self.tensors: dict[str, Tensor] = {}
        self.clips: list[str] = []

    def add(self, example: Example) -> None:
        """Take an example; a full shard goes to disk first."""
        packed = {
            f"{field}.{i}": one.contiguous().clone() if self.raw else pack(one)
            for field in FIELDS
            for i, one in enumerate(getattr(example, field))
        }
        for field in SIGNALS:
            if (signal := getattr(example, field)) is not None:
                packed[f"{field}.0"] = signal.half()
        size = sum(one.numel() for one in packed.values())
        if self.tensors and self.size + size > self.limit:
            self.close()
        self.tensors.update({f"{self.count}.{key}": one for key, one in packed.items()})
        self.clips.append(example.clip)
        self.count, self.size = self.count + 1, self.size + size

    def close(self) -> None:
        """Write what is left."""
        if not self.tensors:
            return
        header = {"format": FORMAT, "clips": json.dumps(self.clips)}
        path = self.folder / f"{self.name}_{self.shards:04}.safetensors"
        save_file(self.tensors, path, header)
        self.shards += 1
        self.count = self.size = 0
        self.tensors, self.clips = {}, []


def write_shards(
    make: Callable[[int], Iterator[Example]], count: int, out: Path, *, workers: int, raw: bool
) -> None:
    """Write what `make` gives for 0 .. count - 1, each into shards of its own, and say so.

    Args:
        make: Of a module, so that other processes find it.
        count: How often it is asked.
        out: Folder of the shards.
        workers: Processes.
        raw: As for ShardWriter.
    """
    write = partial(_write, make=make, out=out, raw=raw)
    with ProcessPoolExecutor(workers) as pool:
        for line in pool.map(write, range(count)):
            print(line, flush=True)


def _write(number: int, *, make: Callable[[int], Iterator[Example]], out: Path, raw: bool) -> str:
    torch.set_num_threads(1)
    writer = ShardWriter(out, name=f"shard_{number:04}", raw=raw)
    clips = []
    for example in make(number):
        writer.add(example)
        clips.append(example.clip)
    writer.close()
    return f"{number}: {len(clips)} examples" + (f" of {clips[0]}" if clips else "")


def read_shard(path: Path) -> Iterator[Example]:
    """The examples of a shard, one by one.

    Raises:
        ValueError: It is no shard.
    """
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise ValueError(f"'{path.name}' is no shard of render data. Make it by render_data.")
        keys: dict[str, list[str]] = {}
        for key in sorted(file.keys(), key=lambda key: int(key.rsplit(".", 1)[1])):
            keys.setdefault(key.rsplit(".", 1)[0], []).append(key)
        for i, clip in enumerate(json.loads(header["clips"])):
            fields = {
                field: torch.stack(
                    [
                        one if (one := file.get_tensor(key)).ndim == 3 else unpack(one)
                        for key in keys[f"{i}.{field}"]
                    ]
                )
                for field in FIELDS
            }
            signals = {
                field: file.get_tensor(f"{i}.{field}.0").float()
                for field in SIGNALS
                if f"{i}.{field}" in keys
            }
            yield Example(clip=clip, **fields, **signals)
