"""Stage 3, scene: language models, those of the pack's own loader and those of other packs."""

from __future__ import annotations

from comfy_api.latest import io

from ..models.scene.clip_tokens import ClipTokens
from ..models.scene.language_model import load_language_model
from ..models.scene.request import Request, instructions, make_request
from ..models.scene.retell import from_answer
from ..models.types import Emotion, Portrait
from . import host
from .scene import CATEGORY, fact_inputs, gather_facts, outputs_of, scene_outputs
from .types import Audio, LanguageModelSocket, SceneRequestSocket

TRUST = ("the facts only", "the picture as well")


class SynchroRaMaSceneLoadLLM(io.ComfyNode):
    """Loads a language model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        found = host.language_models() or [host.NO_LANGUAGE_MODEL]
        return io.Schema(
            node_id="SynchroRaMaSceneLoadLLM",
            display_name="Load Language Model",
            category=CATEGORY,
            description="Loads a language model or a vision-language model, as a folder with "
            "safetensors or as a GGUF file, for Describe Scene.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=found,
                    default=found[0],
                    tooltip="A folder or GGUF file in models/LLM, models/text_encoders or "
                    "models/synchrorama. Pickled weights are not opened.",
                ),
            ],
            outputs=[
                LanguageModelSocket.Output(
                    "llm", display_name="llm", tooltip="The model, for Describe Scene."
                )
            ],
        )

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        """Load it."""
        loaded = load_language_model(host.language_model(model), host.language_dtype())
        return io.NodeOutput(host.HostedModel(model=loaded, patcher=host.patcher(loaded.model)))


class SynchroRaMaSceneInstructions(io.ComfyNode):
    """Writes what a language model of another pack is to be asked."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaSceneInstructions",
            display_name="Scene Instructions",
            category=CATEGORY,
            description="The facts of a scene as a request to any language model node; connect its "
            "answer to Scene from Answer.",
            inputs=fact_inputs(),
            outputs=[
                io.String.Output(
                    "instructions", display_name="instructions", tooltip="For the language model."
                ),
                SceneRequestSocket.Output(
                    "request",
                    display_name="request",
                    tooltip="The facts, against which Scene from Answer checks the answer.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        text: str,
        notes: str,
        style: str,
        max_tokens: int,
        quoted_words: int,
        portrait: Portrait | None = None,
        audio: Audio | None = None,
        emotion: Emotion | None = None,
    ) -> io.NodeOutput:
        """Write it."""
        request = make_request(
            gather_facts(text, notes, portrait, audio, emotion),
            style=style,
            limit=max_tokens,
            words=quoted_words,
            count=ClipTokens.from_checkpoint().count,
        )
        return io.NodeOutput(instructions(request), request)


class SynchroRaMaSceneParse(io.ComfyNode):
    """Reads and checks the answer of another pack's language model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaSceneParse",
            display_name="Scene from Answer",
            category=CATEGORY,
            description="Reads the answer of any language model to Scene Instructions, removes "
            "what the facts do not bear out, and falls back to the rules if too little is left.",
            inputs=[
                io.String.Input(
                    "answer",
                    multiline=True,
                    default="",
                    tooltip="The language model's answer, with lines that begin with PROMPT:, "
                    "NEGATIVE: and BEATS:.",
                ),
                SceneRequestSocket.Input("request", tooltip="From Scene Instructions."),
                io.Combo.Input(
                    "model_saw",
                    options=list(TRUST),
                    default=TRUST[0],
                    tooltip="What the language model was shown. With the picture as well it may "
                    "name what was not measured, but not contradict what was.",
                ),
            ],
            outputs=scene_outputs(),
        )

    @classmethod
    def execute(cls, answer: str, request: Request, model_saw: str) -> io.NodeOutput:
        """Read it."""
        count = ClipTokens.from_checkpoint().count
        scene, remarks = from_answer(request, answer, seen=model_saw == TRUST[1], count=count)
        return outputs_of(request, scene, remarks)
