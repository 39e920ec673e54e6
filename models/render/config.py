"""Shapes of renderers: our own, and those of the published families whose weights fit this class.

Sources of the shapes: EchoMimic, AniPortrait, MEMO (Apache-2.0), Hallo (MIT); all are children of
Stable Diffusion 1.5's U-Net with AnimateDiff's motion modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Audio = Literal["none", "masked", "joint"]
Temporal = Literal["none", "softmax", "linear"]
End = Literal["output", "last layer", "last norm"]
Prediction = Literal["motion", "velocity", "flow"]
Codec = Literal["unshuffle", "tiny", "host"]


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was a tuple before it went through JSON is one again."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """Our own paths, which every renderer has beside its family's; all of them start at zero."""

    guider_widths: tuple[int, ...] = (64,)  # of the motion frames' convolutions; empty: none
    emotion_width: int = 256  # of Z_emo; 0: no path
    emotion_tokens: int = 4  # that Z_emo becomes
    speech_width: int = 0  # of a speech token, e.g. mel bands; 0: the family's own audio path
    scene_width: int = 768  # of a text token in the ReferenceNet (CLIP-L's); 0: no path
    token_width: int = 256  # of emotion and speech tokens inside


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """A denoising U-Net or a ReferenceNet."""

    in_channels: int = 4  # of the latents
    out_channels: int = 4
    widths: tuple[int, ...] = (320, 640, 1280, 1280)  # channels of each level
    attention: tuple[bool, ...] = (True, True, True, False)  # whether a level has attention
    layers: int = 2  # residual blocks a level on the way down, one more on the way up
    heads: int = 8
    groups: int = 32  # of group norms
    context_width: int = 768  # of the family's cross-attention tokens; 0: it has none
    context_scale: float = 1.0  # of what cross-attention adds
    audio: Audio = "none"  # the family's audio attention: Hallo's masked, MEMO's joint
    audio_width: int = 768  # of its tokens
    emotions: int = 9  # classes of joint audio attention, besides "none given"
    temporal: Temporal = "softmax"  # AnimateDiff's attention or MEMO's linear one with memory
    temporal_from: int = 0  # first level that has it
    max_frames: int = 32  # longest window with softmax
    end: End = "output"  # a ReferenceNet ends after its last attention layer, or its first norm
    adds_motion: bool = False  # whether the output is added to the motion frames' latents
    adapters: AdapterConfig = field(default_factory=AdapterConfig)

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.attention) or not any(self.attention):
            raise ValueError(
                f"UNetConfig has {len(self.widths)} widths and {len(self.attention)} entries of "
                "attention. Give one entry a level, with attention in at least one."
            )
        wrong = [w for w in self.widths if w % self.groups or w % self.heads]
        if wrong:
            raise ValueError(
                f"UNetConfig has widths {wrong}, which {self.groups} groups and {self.heads} heads "
                "do not divide. Use multiples of both."
            )
        if self.adds_motion and self.in_channels != self.out_channels:
            raise ValueError(
                f"UNetConfig adds motion frames of {self.in_channels} channels to an output of "
                f"{self.out_channels}. Give both the same."
            )

    def has_motion(self, level: int) -> bool:
        """Whether a level has temporal attention."""
        return self.temporal != "none" and level >= self.temporal_from

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> UNetConfig:
        """The config of a checkpoint's header, as `asdict` made it."""
        adapters = AdapterConfig(**_with_tuples(values["adapters"]))
        return cls(**{**_with_tuples(values), "adapters": adapters})


@dataclass(frozen=True, kw_only=True)
class GuiderConfig:
    """Convolutions from a picture to features after conv_in: EchoMimic's and Hallo's face locator.

    Each further width halves the size.
    """

    in_channels: int = 3
    widths: tuple[int, ...] = (16, 32, 96, 256)
    out_channels: int = 320


@dataclass(frozen=True, kw_only=True)
class RendererConfig:
    """A renderer: which networks, in which latents, and what they predict."""

    name: str
    denoiser: UNetConfig
    reference: UNetConfig | None  # None: the denoiser is its own ReferenceNet
    prediction: Prediction  # motion: the clean latents, as motion frames plus a correction
    codec: Codec  # host: the VAE that the user loads
    downscale: int = 8  # pixels a latent pixel
    window: int = 16  # frames that are denoised together
    locator: GuiderConfig | None = None  # the family's own picture path
    audio_blocks: int = 0  # layers of speech features that the family's audio projection reads
    face_width: int = 0  # of the face descriptor that its image projection reads

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RendererConfig:
        """The reverse of `to_json`, also after a detour through JSON text."""
        locator = values["locator"] and GuiderConfig(**_with_tuples(values["locator"]))
        return cls(
            **{
                **values,
                "denoiser": UNetConfig.from_json(values["denoiser"]),
                "reference": values["reference"] and UNetConfig.from_json(values["reference"]),
                "locator": locator,
            }
        )


_OWN = AdapterConfig(
    guider_widths=(48,),
    emotion_tokens=4,
    speech_width=80,  # mel bands
    scene_width=768,
    token_width=128,
)

BUILTIN = RendererConfig(
    name="builtin",
    denoiser=UNetConfig(
        in_channels=48,
        out_channels=48,
        widths=(48, 64, 96),
        attention=(False, False, True),
        layers=1,
        heads=4,
        groups=16,
        context_width=0,
        temporal_from=2,
        adds_motion=True,
        adapters=replace(_OWN, guider_widths=(64, 64, 64)),
    ),
    reference=None,
    prediction="motion",
    codec="unshuffle",
    downscale=4,
    window=8,
)

TINY = RendererConfig(
    name="tiny",
    denoiser=UNetConfig(
        in_channels=12,
        out_channels=12,
        widths=(16, 32),
        attention=(True, True),
        layers=1,
        heads=2,
        groups=8,
        context_width=0,
        adds_motion=True,
        adapters=replace(_OWN, guider_widths=(16,), speech_width=8, scene_width=12, token_width=16),
    ),
    reference=None,
    prediction="motion",
    codec="unshuffle",
    downscale=2,
    window=4,
)

# A ReferenceNet has no temporal attention and no path for anything but the scene's text.
_REFERENCE = UNetConfig(
    temporal="none",
    end="last layer",
    adapters=AdapterConfig(guider_widths=(), emotion_width=0),
)

ECHOMIMIC = RendererConfig(
    name="echomimic",
    denoiser=UNetConfig(context_width=384, context_scale=3.0),  # context: 50 Whisper tokens a frame
    reference=replace(_REFERENCE, context_width=0),
    prediction="velocity",
    codec="host",
    window=12,
    locator=GuiderConfig(),
)

ANIPORTRAIT = RendererConfig(
    name="aniportrait",
    denoiser=UNetConfig(adapters=AdapterConfig(speech_width=768)),  # context: one CLIP image token
    reference=_REFERENCE,
    prediction="velocity",
    codec="host",
)

HALLO = RendererConfig(
    name="hallo",
    denoiser=UNetConfig(audio="masked"),  # context: four face tokens
    reference=_REFERENCE,
    prediction="velocity",
    codec="host",
    locator=GuiderConfig(widths=(16, 32, 64, 128)),
    audio_blocks=12,
    face_width=512,
)

MEMO = RendererConfig(
    name="memo",
    denoiser=UNetConfig(audio="joint", temporal="linear"),  # context: four face tokens
    reference=replace(_REFERENCE, end="last norm"),
    prediction="flow",
    codec="host",
    audio_blocks=12,
    face_width=512,
)

PRESETS: Mapping[str, RendererConfig] = {
    one.name: one for one in (TINY, BUILTIN, ECHOMIMIC, ANIPORTRAIT, HALLO, MEMO)
}
