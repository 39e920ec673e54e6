"""Stage 3, scene: measured facts become prompts; prompts over the frames of a video."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..models.head import HeadModel
from ..models.portrait.landmarker import FaceLandmarker
from ..models.scene.clip_tokens import ClipTokens
from ..models.scene.fact import Facts
from ..models.scene.measure import measure
from ..models.scene.phrases import STYLES
from ..models.scene.request import Request, make_request
from ..models.scene.retell import retell
from ..models.scene.schedule import keyframes, length, window_prompts
from ..models.types import Emotion, Portrait, Scene
from . import host
from .inputs import fps_input, number, report_output
from .types import (
    Audio,
    EmotionSocket,
    LanguageModelSocket,
    PortraitSocket,
    SceneSocket,
    one_speech,
)

CATEGORY = "SynchroRaMa/3 scene"
STEERS = (
    "This prompt steers models that read text. SynchroRaMa's own renderer has no trained text path "
    "and is not steered by it."
)


def fact_inputs() -> list[io.Input]:
    """What Describe Scene and Scene Instructions take."""
    return [
        io.String.Input(
            "text",
            multiline=True,
            default="",
            tooltip="What is said: plain text, lines like '0:00–0:02 text', SRT or WebVTT. It is "
            "quoted as words; whatever it asks for is not obeyed.",
        ),
        io.String.Input(
            "notes",
            multiline=True,
            default="",
            tooltip="Your own words about the scene, e.g. who it is and where. They come first, "
            "are taken as true, and are left out last.",
        ),
        io.Combo.Input(
            "style",
            options=list(STYLES),
            default=STYLES[0],
            tooltip="How it is worded: natural sentences, tags with commas, or sentences for "
            "video models that also tell of the moving mouth.",
        ),
        io.Int.Input(
            "max_tokens",
            default=77,
            min=0,
            max=2048,
            tooltip="CLIP tokens that prompt and negative may have at most; what matters least is "
            "left out first. 77 is what CLIP reads at once, 0 is no limit.",
        ),
        io.Int.Input(
            "quoted_words",
            default=12,
            min=0,
            max=200,
            tooltip="How many of the spoken words the prompt and each beat quote at most; 0 quotes "
            "none. Tags never quote in the prompt.",
        ),
        PortraitSocket.Input(
            "portrait",
            optional=True,
            tooltip="The picture: framing, pose, eyes, mouth, light, colours and background are "
            "measured on it.",
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="The speech: rate, pauses, loudness and pitch are measured on it.",
        ),
        EmotionSocket.Input(
            "emotion",
            optional=True,
            tooltip="What is felt; told where it is confident enough, and when it changes.",
        ),
    ]


def scene_outputs() -> list[io.Output]:
    """What Describe Scene and Scene from Answer give."""
    return [
        SceneSocket.Output("scene", display_name="scene", tooltip="Prompt, negative and beats."),
        io.String.Output("prompt", display_name="prompt", tooltip="For CLIP Text Encode."),
        io.String.Output(
            "negative", display_name="negative", tooltip="What must not be seen, for the negative."
        ),
        io.String.Output(
            "beats", display_name="beats", tooltip="What happens when, one line each, in seconds."
        ),
        report_output("Every fact with its measurement, and what was left out or removed and why."),
    ]


def gather_facts(
    text: str, notes: str, portrait: Portrait | None, audio: Audio | None, emotion: Emotion | None
) -> Facts:
    """Everything that can be measured on what is connected."""
    faces, astray, unsteady = None, 0.0, 0.0
    if portrait is not None:
        landmarker = host.load(FaceLandmarker.from_checkpoint())
        faces = len(landmarker.faces(portrait.source))
        astray, unsteady = landmarker.astray(portrait), landmarker.unsteady(portrait)
    return measure(
        portrait=portrait,
        head=HeadModel.from_checkpoint() if portrait is not None else None,
        people=faces,
        astray=astray,
        unsteady=unsteady,
        speech=one_speech(audio) if audio is not None else None,
        emotion=emotion,
        text=text,
        notes=notes,
    )


def outputs_of(request: Request, scene: Scene, remarks: list[str]) -> io.NodeOutput:
    """The outputs that Describe Scene and Scene from Answer share."""
    lines = [f"{start:.2f}-{end:.2f}: {text}" for start, end, text in scene.beats]
    report = [f"Author: {scene.author}.", *remarks, request.remark, request.facts.report(), STEERS]
    return io.NodeOutput(
        scene, scene.prompt, scene.negative, "\n".join(lines), "\n".join(filter(None, report))
    )


class SynchroRaMaSceneDescribe(io.ComfyNode):
    """Describes a scene from what is measured."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaSceneDescribe",
            display_name="Describe Scene",
            category=CATEGORY,
            description="Describes picture, voice and feeling as a prompt for any model that reads "
            "text. It states what was measured and nothing else. SynchroRaMa's own renderer has no "
            "trained text path and is not steered by it.",
            inputs=[
                *fact_inputs(),
                LanguageModelSocket.Input(
                    "llm",
                    optional=True,
                    tooltip="A language model that puts the facts into its own words; what it "
                    "invents is removed. Without one the text is composed by rules.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=True,
                    tooltip="Chooses the language model's words. Rules always tell the same.",
                ),
                number(
                    "temperature",
                    "How freely the language model chooses words; 0 takes the likeliest.",
                    0.7,
                ),
                io.Int.Input(
                    "answer_tokens",
                    default=300,
                    min=16,
                    max=4096,
                    tooltip="The language model's answer stops after so many tokens.",
                ),
                io.Int.Input(
                    "tries",
                    default=2,
                    min=1,
                    max=8,
                    tooltip="How often the language model is asked until an answer can be used; "
                    "every second time plainly, for one line. Then the rules tell the scene.",
                ),
            ],
            outputs=scene_outputs(),
        )

    @classmethod
    def execute(
        cls,
        text: str,
        notes: str,
        style: str,
        max_tokens: int,
        quoted_words: int,
        seed: int,
        temperature: float,
        answer_tokens: int,
        tries: int,
        portrait: Portrait | None = None,
        audio: Audio | None = None,
        emotion: Emotion | None = None,
        llm: host.HostedModel | None = None,
    ) -> io.NodeOutput:
        """Describe it."""
        count = ClipTokens.from_checkpoint().count
        facts = gather_facts(text, notes, portrait, audio, emotion)
        request = make_request(
            facts, style=style, limit=max_tokens, words=quoted_words, count=count
        )
        if llm is None:
            return outputs_of(request, request.scene, [])
        ask = _asker(llm, portrait, temperature, answer_tokens)
        seen = llm.model.sees and portrait is not None
        scene, remarks = retell(
            request, ask, name=llm.model.name, seed=seed, tries=tries, seen=seen, count=count
        )
        return outputs_of(request, scene, remarks)


def _asker(
    llm: host.HostedModel, portrait: Portrait | None, temperature: float, tokens: int
) -> Any:
    """A function that asks the model, on ComfyUI's device, with progress and cancelling."""
    host.bring(llm.patcher)

    def ask(role: str, turns: list[str], seed: int) -> str:
        return llm.model.answer(
            role,
            turns,
            image=portrait.source if portrait is not None else None,
            seed=seed,
            temperature=temperature,
            tokens=tokens,
            on_step=host.watch(tokens),
        )

    return ask


class SynchroRaMaSceneSchedule(io.ComfyNode):
    """Lays a scene out over the frames of a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaSceneSchedule",
            display_name="Schedule Scene",
            category=CATEGORY,
            description="Turns the beats of a scene into prompts at frames, for prompt-travel "
            "nodes, and into one prompt for each window of frames.",
            inputs=[
                SceneSocket.Input("scene", tooltip="From Describe Scene or Scene from Answer."),
                fps_input(),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=216000,
                    tooltip="Frames of the video; 0 is up to the last beat.",
                ),
                io.Int.Input(
                    "blend",
                    default=6,
                    min=0,
                    max=1000,
                    tooltip="Frames over which one beat fades into the next; 0 is a cut.",
                ),
                io.Int.Input(
                    "window",
                    default=16,
                    min=1,
                    max=100000,
                    tooltip="Frames that one of 'window_prompts' is for.",
                ),
                io.Int.Input(
                    "max_tokens",
                    default=77,
                    min=0,
                    max=2048,
                    tooltip="CLIP tokens that each prompt may have; 0 is no limit.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "keyframes",
                    display_name="keyframes",
                    tooltip='Lines like "0": "prompt" for Batch Prompt Schedule and others.',
                ),
                io.String.Output(
                    "window_prompts",
                    display_name="window_prompts",
                    is_output_list=True,
                    tooltip="A list with one prompt for each window, for CLIP Text Encode.",
                ),
                io.Int.Output("frame_count", display_name="frame_count", tooltip="Of the video."),
            ],
        )

    @classmethod
    def execute(
        cls, scene: Scene, fps: float, frames: int, blend: int, window: int, max_tokens: int
    ) -> io.NodeOutput:
        """Lay it out."""
        count = ClipTokens.from_checkpoint().count
        keys = keyframes(scene, fps=fps, frames=frames, blend=blend, limit=max_tokens, count=count)
        prompts = window_prompts(
            scene, fps=fps, frames=frames, window=window, limit=max_tokens, count=count
        )
        return io.NodeOutput(keys, prompts, length(scene, fps, frames))
