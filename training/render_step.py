"""One step of the renderer's training: what is drawn at random, its loss and its gradients.

On a GPU each kind of step is captured once as a CUDA graph: starting its 20,000 small operations
one by one would take longer than computing them.

Shapes: B clips of a batch, F frames of each, C latent channels, h w latent px, H W px.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.render.codec import PixelUnshuffle
from ..models.render.spatial import Banks, Cache
from ..models.render.unet import Conditions, UNet
from .render_losses import Adversary, LossConfig, against_adversary, picture_loss
from .render_windows import Spot

WARM_UP = 2  # calls before a capture


@dataclass(frozen=True, kw_only=True)
class StateConfig:
    """Which states of the way a step meets."""

    noise: tuple[float, float] = (0.08, 0.2)  # share of noise at which sampling starts
    teach: float = 0.1  # how often a state of the way is made from the truth
    own: float = 0.4  # how often from the network's own first answer; else it is the first state
    no_reference: float = 0.05  # how often the reference is left out
    unheard: float = 0.1  # how often emotion and speech are


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """Where on the way from part noise to an answer a step is, and what the network is told."""

    kept: tuple[bool, bool, bool]  # whether it sees the reference, the emotion, the speech
    own: bool  # whether the answer is the network's own; else it is the truth
    first: Tensor  # [B · F, 1, 1, 1] noise level at which sampling starts, one of each clip
    left: Tensor  # [] share of the way that is left
    noise: Tensor  # [B · F, C, h, w]


def random_state(
    spot: Spot, codec: PixelUnshuffle, config: StateConfig, generator: torch.Generator
) -> State:
    """A state of the way as a sampler meets it, drawn by a generator on the CPU.

    Between the sampler's start and an answer, with what is left of the noise; the start knows
    nothing of the truth.
    """
    device = spot.motion.device
    count, frames = len(spot.reference), len(spot.motion) // len(spot.reference)
    height, width = (side // codec.downscale for side in spot.motion.shape[2:])
    shape = (len(spot.motion), codec.channels, height, width)

    def draw() -> float:
        return float(torch.rand((), generator=generator))

    near = generator
    if device.type != "cpu":  # noise is too large to be carried there
        seed = int(torch.randint(2**62, (), generator=generator))
        near = torch.Generator(device).manual_seed(seed)
    left_out, kind = draw(), draw()
    seen = left_out >= config.no_reference
    heard = not config.no_reference <= left_out < config.no_reference + config.unheard
    low, high = config.noise
    if kind < config.teach:
        high = 1.0
    left = (1 + int(2.999 * draw())) / 4 if kind < config.teach + config.own else 1.0
    first = low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)
    return State(
        kept=(seen, heard and spot.emotion is not None, heard and spot.speech is not None),
        own=left < 1 and kind >= config.teach,
        first=first.repeat_interleave(frames, 0).to(device),
        left=torch.tensor(left, device=device),
        noise=torch.randn(shape, generator=near, device=device),
    )


def cache_of(network: UNet, references: Tensor, frames: int) -> Cache:
    """The references [B, C, h, w] of B clips of as many frames, as one cache."""
    banks = network.read(references)
    pairs = tuple(
        (key.repeat_interleave(frames, 0), value.repeat_interleave(frames, 0))
        for key, value in network.cache_rows(banks).keys_values
    )
    first = Banks(  # further rows would pass for past frames
        attention=tuple(one[:1] for one in banks.attention),
        plain=tuple(one[:1] for one in banks.plain),
    )
    return Cache(keys_values=pairs, banks=first)


def spot_loss(
    network: UNet,
    codec: PixelUnshuffle,
    spot: Spot,
    state: State,
    config: LossConfig,
    *,
    sharp: bool = True,
) -> tuple[Tensor, Tensor]:
    """Loss of windows at a state of the way, and what was made.

    Args:
        network: What is trained.
        codec: Between pictures and latents.
        spot: The windows.
        state: Of the way.
        config: What is punished.
        sharp: Whether gradients count. A network that changes nothing yet stays like that if they
            do: to them a first change for the better, which is soft, is one for the worse.

    Returns:
        A scalar and [B · F, 3, H, W], not clamped, with changes in the share alone.
    """
    frames = len(spot.motion) // len(spot.reference)
    start = codec.encode(spot.motion)
    given = Conditions(
        motion=start,
        reference=(
            cache_of(network, codec.encode(spot.reference), frames) if state.kept[0] else None
        ),
        emotion=spot.emotion if state.kept[1] else None,
        speech=spot.speech if state.kept[2] else None,
    )

    def ask(x: Tensor, level: Tensor) -> Tensor:
        return network(x, 1000 * level.flatten(), given, frames).float()

    first, left = state.first, state.left
    begin = (1 - first) * start + first * state.noise
    if state.own:
        with torch.no_grad():
            answer = ask(begin, first)
    else:
        answer = codec.encode(spot.target)
    level = first * left
    said = ask((1 - left) * answer + left * begin, level)
    said = F.pixel_shuffle(said, codec.downscale) / 2 + 0.5
    made = spot.motion + spot.share * (said - spot.motion)  # not clamped, so that it can learn
    share = spot.share.expand_as(made)
    gradient, grain = (config.gradient, config.grain) if sharp else (0.0, 0.0)
    loss = picture_loss(made, spot.target, share, gradient, grain)
    off = ((made - spot.target).square() * share).sum() / share.sum().clamp(min=1e-6)
    astray = ((said - spot.motion).abs() * (1 - spot.share)).mean()
    return loss + config.square * off + config.still * astray, made


class Steps:
    """Losses and gradients of a network, step by step."""

    def __init__(
        self,
        network: UNet,
        adversary: Adversary,
        codec: PixelUnshuffle,
        config: LossConfig,
        *,
        captured: bool,
    ) -> None:
        """Prepare.

        Args:
            network: What is trained.
            adversary: Whom it is trained against, when asked to.
            codec: Between pictures and latents.
            config: What is punished.
            captured: Run CUDA graphs. The network's gradients must then stay where they are.
        """
        self.network, self.adversary, self.codec, self.config = network, adversary, codec, config
        self.captured = captured
        self.graphs: dict[object, _Graph] = {}
        for one in network.parameters():
            one.grad = torch.zeros_like(one)

    def __call__(
        self, spot: Spot, state: State, sharp: bool, against: bool
    ) -> tuple[Tensor, Tensor]:
        """Loss and pictures of a step, valid until the next; the network has its gradients.

        Args:
            spot: Windows.
            state: Of the way.
            sharp: Whether gradients count.
            against: Whether the adversary judges what is made.
        """
        tensors = _tensors(spot) | _tensors(state)
        if not self.captured:
            return self._run(spot, state, sharp, against)
        shapes = tuple((name, tuple(one.shape)) for name, one in tensors.items())
        key = (shapes, state.kept, state.own, sharp, against)
        if key not in self.graphs:
            held = {name: one.clone() for name, one in tensors.items()}
            at_spot = replace(spot, **{k: held[k] for k in _tensors(spot)})
            at_state = replace(state, **{k: held[k] for k in _tensors(state)})
            pool = next((one.graph.pool() for one in self.graphs.values()), None)
            run = _Graph(lambda: self._run(at_spot, at_state, sharp, against), held, pool)
            self.graphs[key] = run
        return self.graphs[key](tensors)

    def _run(self, spot: Spot, state: State, sharp: bool, against: bool) -> tuple[Tensor, Tensor]:
        gradients = [one.grad for one in self.network.parameters() if one.grad is not None]
        torch._foreach_zero_(gradients)
        is_gpu = spot.motion.device.type == "cuda"
        # A graph cannot hold what autocast keeps from one call to the next.
        with torch.autocast(
            spot.motion.device.type, torch.bfloat16, enabled=is_gpu, cache_enabled=False
        ):
            loss, made = spot_loss(self.network, self.codec, spot, state, self.config, sharp=sharp)
        whole = loss
        if against:
            self.adversary.requires_grad_(False)
            whole = whole + self.config.adversary * against_adversary(
                self.adversary, spot, made, self.config.matching
            )
            self.adversary.requires_grad_(True)
        whole.backward()
        return loss.detach(), made.detach()


class _Graph:
    """A function without arguments, captured with the tensors that it reads."""

    def __init__(
        self,
        run: Callable[[], tuple[Tensor, Tensor]],
        held: dict[str, Tensor],
        pool: tuple[int, int] | None,
    ) -> None:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(beside)
        self.held, self.graph = held, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            self.out = run()

    def __call__(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        for name, one in tensors.items():
            self.held[name].copy_(one)
        self.graph.replay()
        return self.out


def _tensors(of: Spot | State) -> dict[str, Tensor]:
    """The tensors among a dataclass's fields."""
    pairs = ((one.name, getattr(of, one.name)) for one in fields(of))
    return {name: value for name, value in pairs if isinstance(value, Tensor)}
