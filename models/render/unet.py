"""The renderer's U-Net: denoiser and ReferenceNet are the same class.

Shapes: N = clips times F frames, C latent channels, H W latent pixels, L tokens.

Sources: Stable Diffusion 1.5's U-Net in the key names of its children, with AnimateDiff's motion
modules; reference attention after AnimateAnyone (arXiv 2311.17117); the conditions are those of
SynchroRaMa (arXiv 2509.19965).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Level, Resample, Sites, TimeEmbedding
from .config import UNetConfig
from .layers import Bricks, Operations, Torch, sinusoids, zeroed
from .spatial import Banks, Box, Cache, OwnPaths, SpatialTransformer, Step


@dataclass(frozen=True, eq=False, kw_only=True)
class Conditions:
    """What a clip is drawn after. Whatever is None has no part in the result."""

    motion: Tensor | None = None  # [N, C, H, W] latents of the motion frames
    reference: Banks | Cache | None = None
    emotion: Tensor | None = None  # [N, 256] Z_emo
    speech: Tensor | None = None  # [N, L, M] speech features around each frame, for our path
    context: Tensor | None = None  # [N or 1, L, C'] tokens of the family's cross-attention
    audio: Tensor | None = None  # [N, L, C'] tokens of the family's audio attention
    masks: Tensor | None = None  # [N, 3, H, W] whole picture, face, lips: where audio acts
    emotion_classes: Tensor | None = None  # [N, E] shares of the family's emotion classes
    locator: Tensor | None = None  # [N, width, H, W] from the family's own guider


NOTHING = Conditions()


class UNet(nn.Module):
    """Denoises latents of frames, or as a ReferenceNet reads one picture once per clip."""

    def __init__(
        self,
        config: UNetConfig,
        *,
        operations: Operations = Torch,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Build it, with random weights.

        Args:
            config: Its shape.
            operations: Classes of layers; the host's in ComfyUI.
            device: Where the weights are.
            dtype: Of the weights.
        """
        super().__init__()
        self.config = config
        self.dtype = dtype or torch.get_default_dtype()
        bricks = Bricks(operations=operations, device=device, dtype=dtype, groups=config.groups)
        widths, layers, last = config.widths, config.layers, len(config.widths) - 1
        time_width = 4 * widths[0]
        sites = Sites()
        self.conv_in = bricks.conv(config.in_channels, widths[0])
        self.time_embedding = TimeEmbedding(bricks, widths[0], time_width)
        self.down_blocks = nn.ModuleList()
        skips = [widths[0]]  # channels of what is kept on the way down
        before = widths[0]
        for i, width in enumerate(widths):
            residuals = [(before, width)] + [(width, width)] * (layers - 1)
            level = Level(
                bricks,
                config,
                sites,
                residuals=residuals,
                audio_widths=[inner for inner, _ in residuals],
                has_attention=config.attention[i],
                has_motion=config.has_motion(i),
                time_width=time_width,
            )
            skips += [width] * layers
            if i < last:
                level.downsamplers = nn.ModuleList([Resample(bricks, width, 2)])
                skips.append(width)
            self.down_blocks.append(level)
            before = width
        self.mid_block = Level(
            bricks,
            config,
            sites,
            residuals=[(before, before)] * 2,
            audio_widths=[before],
            has_attention=True,
            has_motion=config.has_motion(last),
            time_width=time_width,
        )
        self.up_blocks = nn.ModuleList()
        final = min(i for i, has in enumerate(config.attention) if has)
        for i in reversed(range(len(widths))):
            width = widths[i]
            inner = [before] + [width] * layers
            residuals = [(one + skips.pop(), width) for one in inner]
            level = Level(
                bricks,
                config,
                sites,
                residuals=residuals,
                # The published weights took the next level's channels for those inside.
                audio_widths=[widths[max(i - 1, 0)]] * (layers + 1),
                has_attention=config.attention[i],
                has_motion=config.has_motion(i),
                time_width=time_width,
                is_last=i == final,
            )
            if i > 0:
                level.upsamplers = nn.ModuleList([Resample(bricks, width, 1)])
            self.up_blocks.append(level)
            before = width
        if config.end == "output":
            self.conv_norm_out = bricks.group_norm(widths[0], 1e-5)
            self.conv_out = bricks.conv(widths[0], config.out_channels)
            if config.adds_motion:
                zeroed(self.conv_out)  # the first result is the motion frames
        self.synchrorama = OwnPaths(bricks, config, sites.widths)

    def forward(
        self, x: Tensor, timesteps: Tensor, given: Conditions = NOTHING, frames: int | None = None
    ) -> Tensor:
        """What the config's prediction means by an output: clean latents, velocity, or flow.

        Args:
            x: [N, C, H, W] noisy latents.
            timesteps: [N] noise levels, 0 (clean) to 1000 (noise).
            given: What to draw after.
            frames: F of each clip; N if None.

        Returns:
            [N, C, H, W].

        Raises:
            ValueError: Latents or motion frames of another shape, a condition that this renderer
                has no path for, or too many frames.
        """
        frames = frames or x.shape[0]
        self._check(x, timesteps, given, frames)
        reference = given.reference
        if isinstance(reference, Banks):
            reference = self.cache(reference.to(x))
            given = replace(given, reference=reference)
        if reference is not None and reference.parts and given.motion is not None:
            return self._in_parts(x, timesteps, given, frames, reference)
        step = self._step(timesteps, given, frames, x)
        hidden = self.conv_in(x)
        if given.locator is not None:
            hidden = hidden + given.locator
        if given.motion is not None and self.synchrorama.guider is not None:
            hidden = hidden + self.synchrorama.guider(given.motion)
        for hidden in self._walk(hidden, step, given.audio, None):  # noqa: B007, B020
            pass
        out: Tensor = self.conv_out(F.silu(self.conv_norm_out(hidden)))
        if self.config.adds_motion and given.motion is not None:
            out = out + given.motion
        return out

    def _in_parts(
        self, x: Tensor, timesteps: Tensor, given: Conditions, frames: int, reference: Cache
    ) -> Tensor:
        """The motion frames, with the reference's parts of them drawn each for itself."""
        assert given.motion is not None
        out = given.motion.clone()
        for box, cache in reference.parts:
            cut = replace(given, motion=box.of(given.motion), reference=cache)
            # A host's network may have a forward of its own.
            box.of(out).copy_(UNet.forward(self, box.of(x), timesteps, cut, frames))
        return out

    def read_parts(
        self, latents: Tensor, boxes: Sequence[Box], scene: Tensor | None = None
    ) -> Banks:
        """What `read` notes of parts of a picture [1, C, H, W]; only they will be drawn.

        Costs what the parts are of the picture. Networks that add to motion frames only.
        """
        parts = tuple((box, self.read(box.of(latents), scene)) for box in boxes)
        return Banks(attention=(), plain=(), parts=parts)

    def read(self, latents: Tensor, scene: Tensor | None = None) -> Banks:
        """What this network, as a ReferenceNet, notes of a picture; once per clip.

        Args:
            latents: [1 + P, C, H, W] of the reference picture, then of past frames.
            scene: [1, L, C'] tokens of a text encoder.
        """
        rows = latents.shape[0]
        adapters = () if scene is None else (self.synchrorama.of_scene(scene),)
        normed: list[Tensor] = []
        plain: list[Tensor] = []
        zero = latents.new_zeros(rows)
        # Each row is a clip of one frame, so that past frames do not leak into the reference.
        step = Step(time=self._time(zero, latents), frames=1, adapters=adapters, collect=normed)
        total = len(self._attentions())
        for _ in self._walk(self.conv_in(latents), step, None, plain):
            if len(normed) == total and len(plain) == self._plain():
                break  # what follows the last note changes nothing
        return Banks(attention=tuple(normed), plain=tuple(plain))

    def cache(self, banks: Banks) -> Cache:
        """The reference picture's part of the banks as this network's keys and values."""
        if banks.parts:
            parts = tuple((box, self.cache(one)) for box, one in banks.parts)
            return Cache(keys_values=(), banks=banks, parts=parts)
        first = tuple(bank[:1] for bank in banks.attention)
        return replace(self.cache_rows(replace(banks, attention=first)), banks=banks)

    def cache_rows(self, banks: Banks) -> Cache:
        """Each row of the banks as keys and values: references of as many clips."""
        pairs = zip(self._attentions(), banks.attention, strict=True)
        return Cache(
            keys_values=tuple(layer.keys_values(bank) for layer, bank in pairs), banks=banks
        )

    def _attentions(self) -> list[SpatialTransformer]:
        """Attention layers in the order of their sites."""
        levels = [*self._down(), self.mid_block, *self._up()]
        layers = [one for level in levels for one in level.attentions or ()]
        return cast(list[SpatialTransformer], layers)

    def _plain(self) -> int:
        return sum(len(level.plain) for level in [*self._down(), *self._up()])

    def _down(self) -> list[Level]:
        return cast(list[Level], list(self.down_blocks))

    def _up(self) -> list[Level]:
        return cast(list[Level], list(self.up_blocks))

    def _time(self, timesteps: Tensor, like: Tensor) -> Tensor:
        out: Tensor = self.time_embedding(sinusoids(timesteps, self.config.widths[0]).to(like))
        return out

    def _step(self, timesteps: Tensor, given: Conditions, frames: int, x: Tensor) -> Step:
        reference = given.reference
        assert not isinstance(reference, Banks)  # forward made a cache of them
        adapters = []
        if given.emotion is not None:
            adapters.append(self.synchrorama.of_emotion(given.emotion))
        if given.speech is not None:
            adapters.append(self.synchrorama.of_speech(given.speech))
        return Step(
            time=self._time(timesteps, x),
            frames=frames,
            context=given.context,
            reference=reference,
            adapters=tuple(adapters),
            masks=given.masks,
            emotion=given.emotion_classes,
        )

    def _walk(
        self, x: Tensor, step: Step, audio: Tensor | None, plain: list[Tensor] | None
    ) -> Iterator[Tensor]:
        """Down and up again, from features to features [N, C, H, W], layer by layer."""
        kept = [x]
        for level in self._down():
            for i, residual in enumerate(level.resnets):
                x, audio = level.attend(i, residual(x, step.time), audio, step, plain)
                kept.append(x)
                yield x
            if level.downsamplers is not None:
                x = level.downsamplers[0](x)
                kept.append(x)
        middle = self.mid_block.resnets
        x, audio = self.mid_block.attend(0, middle[0](x, step.time), audio, step, plain)
        x = middle[1](x, step.time)
        yield x
        for level in self._up():
            for i, residual in enumerate(level.resnets):
                joined = residual(torch.cat([x, kept.pop()], 1), step.time)
                x, audio = level.attend(i, joined, audio, step, plain)
                yield x
            if level.upsamplers is not None:
                x = level.upsamplers[0](x, kept[-1].shape[2:])

    def _check(self, x: Tensor, timesteps: Tensor, given: Conditions, frames: int) -> None:
        channels = self.config.in_channels
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(
                f"The latents have shape {list(x.shape)}, this renderer needs [frames, {channels}, "
                "height, width]. Use its own VAE and 'latent'."
            )
        if x.shape[0] % frames or timesteps.shape[0] != x.shape[0]:
            raise ValueError(
                f"{x.shape[0]} latents with {timesteps.shape[0]} noise levels are no whole number "
                f"of clips of {frames} frames."
            )
        if given.motion is None and self.config.adds_motion:
            raise ValueError(
                "This renderer draws upon motion frames and got none. Connect 'positive' of Render "
                "Condition."
            )
        if given.motion is not None and given.motion.shape != x.shape:
            raise ValueError(
                f"The motion frames' latents have shape {list(given.motion.shape)}, the latents "
                f"{list(x.shape)}. Use motion frames of the same count and size."
            )
