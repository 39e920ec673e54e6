"""Few-step sampling from motion frames at part noise, as a stream: memory does not grow.

What comes out is what ComfyUI's KSampler (euler, simple) makes of the same seed. Each step is a
stage that holds no more frames than its windows need and hands on what it has finished.

Shapes: T frames of a clip, n of a chunk, F of a window, C latent channels, H W latent pixels.

Source: rectified flow (arXiv 2209.03003); windows that move from step to step as in EchoMimic's
fast sampler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .unet import Conditions, UNet
from .windows import plan_windows

LOG = logging.getLogger(__name__)
SEAM = 3  # frames by which windows move from step to step
TIMES = 1000  # the network's noise levels

# From noisy latents and motion latents [F, C, H, W], the noise level 0..1 and the first frame's
# number to the clean latents [F, C, H, W].
Denoise = Callable[[Tensor, Tensor, float, int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a clip is sampled."""

    steps: int = 4
    noise: float = 0.15  # share of noise at the start: KSampler's "denoise"
    seed: int = 0
    strength: float = 1.0  # 0: the motion frames as they are, 1: what the network says

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100:
            raise ValueError(f"'steps' is {self.steps}. Use 1 to 100.")
        for name, value in (("denoise", self.noise), ("diffusion", self.strength)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"'{name}' is {value:g}. Use a value from 0 to 1.")

    @property
    def levels(self) -> list[float]:
        """Noise levels from the first step to 0, those of ComfyUI's schedule "simple"."""
        if self.noise == 0:
            return []
        count = self.steps if self.noise > 0.9999 else int(self.steps / self.noise)
        every = TIMES / count
        levels = [(TIMES - int(i * every)) / TIMES for i in range(count)]
        return [*levels[-self.steps :], 0.0]


def sample(
    denoise: Denoise, motion: Iterable[Tensor], frames: int, window: int, sampling: Sampling
) -> Iterator[Tensor]:
    """Clean latents of a clip in chunks [n, C, H, W], in order, as soon as they are ready.

    Args:
        denoise: The network under its conditions.
        motion: The motion frames' latents in chunks [n, C, H, W], T in all.
        frames: T.
        window: Frames that are denoised together.
        sampling: Steps, noise, seed.

    Raises:
        ValueError: Memory is not enough even for smaller windows.
    """
    levels = sampling.levels
    if not levels or sampling.strength == 0:
        yield from motion
        return
    frugal = spared(denoise)
    pairs = _noised(motion, levels[0], sampling.seed)
    for i, (level, below) in enumerate(zip(levels, levels[1:], strict=False)):
        plan = plan_windows(frames, window, SEAM * i)
        ranges = [(one.start, one.stop, one.keep_start, one.keep_stop) for one in plan]
        pairs = _step(pairs, ranges, level, below, frugal, sampling.strength)
    for latents, _ in pairs:
        yield latents


def with_network(network: UNet, given: Conditions) -> Denoise:
    """A network as it is called outside of ComfyUI.

    Args:
        network: Its device and dtype are used.
        given: The whole clip's conditions but the motion frames.
    """
    like = next(network.parameters())
    if given.reference is not None and not hasattr(given.reference, "keys_values"):
        given = replace(given, reference=network.cache(given.reference.to(like)))

    def denoise(x: Tensor, motion: Tensor, level: float, start: int) -> Tensor:
        at = slice(start, start + len(x))
        cut = replace(
            given,
            motion=motion.to(like),
            emotion=None if given.emotion is None else given.emotion[at].to(like),
            speech=None if given.speech is None else given.speech[at].to(like),
        )
        times = torch.full((len(x),), TIMES * level, device=like.device)
        out: Tensor = network(x.to(like), times, cut).to(x)
        return out

    return denoise


def spared(denoise: Denoise) -> Denoise:
    """The same, but when memory runs out once, in windows of half the size from then on.

    Raises:
        ValueError: It runs out again.
    """
    parts = [1]  # into which a window is cut

    def try_it(x: Tensor, motion: Tensor, level: float, start: int) -> Tensor:
        size = -(-len(x) // parts[0])
        out = [
            denoise(x[i : i + size], motion[i : i + size], level, start + i)
            for i in range(0, len(x), size)
        ]
        return out[0] if len(out) == 1 else torch.cat(out)

    def careful(x: Tensor, motion: Tensor, level: float, start: int) -> Tensor:
        while True:
            try:
                return try_it(x, motion, level, start)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                size = -(-len(x) // parts[0])
                if parts[0] > 1 or size == 1:
                    raise ValueError(too_little_memory(size)) from error
            parts[0] = 2
            LOG.warning("Out of memory with windows of %d frames: going on with half.", size)

    return careful


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error means, on a GPU or a CPU."""
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def too_little_memory(frames: int) -> str:
    """What is said when smaller windows do not help either."""
    return (
        f"Memory is not enough to render {frames} frame{'s' * (frames > 1)} at once. Prepare the "
        "portrait with a smaller 'size', or close what else uses the memory."
    )


def noise_like(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Noise [n, C, H, W] on the latents' device, drawn frame by frame on the CPU.

    Chunk by chunk it is what one draw for the whole clip would be (where a frame has a multiple of
    16 numbers, which all of this pack's codecs have).
    """
    shape = latents.shape[1:]
    return torch.stack([torch.randn(shape, generator=generator) for _ in latents]).to(latents)


Pairs = Iterator[tuple[Tensor, Tensor]]  # latents on their way, and the motion frames' own


def _noised(motion: Iterable[Tensor], level: float, seed: int) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    for chunk in motion:
        yield level * noise_like(chunk, generator) + (1 - level) * chunk, chunk


def _step(
    source: Pairs,
    plan: list[tuple[int, int, int, int]],
    level: float,
    below: float,
    denoise: Denoise,
    strength: float,
) -> Pairs:
    """One step of Euler's method over all windows of a clip."""
    held, held_motion, first = None, None, 0  # frames first, first + 1, ...
    for start, stop, keep_start, keep_stop in plan:
        while held is None or held_motion is None or first + len(held) < stop:
            x, motion = next(source)
            held = x if held is None else torch.cat([held, x])
            held_motion = motion if held_motion is None else torch.cat([held_motion, motion])
        held, held_motion, first = held[start - first :], held_motion[start - first :], start
        x, motion = held[: stop - start], held_motion[: stop - start]
        said = mixed(denoise(x, motion, level, start), motion, strength)
        kept = slice(keep_start - start, keep_stop - start)
        x, said = x[kept], said[kept]
        yield x + (x - said) / level * (below - level), motion[kept]


def mixed(said: Tensor, motion: Tensor, strength: float) -> Tensor:
    """Clean latents between the motion frames' (strength 0) and what the network said (1)."""
    return said if strength == 1 else torch.lerp(motion, said, strength)
