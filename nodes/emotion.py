"""Stage 2, emotion: what words and voice tell."""

from __future__ import annotations

import logging

from comfy_api.latest import io

from ..models.emotion.fusion import EmotionFusion
from ..models.emotion.speech_emotion import SpeechEmotion
from ..models.emotion.speech_folder import SpeechFolder
from ..models.emotion.speech_windows import emotion_from_speech, valence_arousal_from_speech
from ..models.emotion.text import BuiltinJudge, FolderJudge, emotion_from_text
from ..models.emotion.text_model import TextEmotion
from . import host
from .inputs import emotion_output, fps_input, number, report_output
from .types import Audio, one_speech

log = logging.getLogger(__name__)

CATEGORY = "SynchroRaMa/2 emotion"


def _voice_input() -> io.Input:
    return io.Audio.Input("audio", tooltip="One clip of speech. Silence counts as neutral.")


def _model_input(tooltip: str) -> io.Combo.Input:
    options = [host.BUILT_IN, *host.model_folders()]
    return io.Combo.Input("model", options=options, default=host.BUILT_IN, tooltip=tooltip)


def _speech_listener(model: str) -> SpeechEmotion | SpeechFolder:
    if model == host.BUILT_IN:
        return host.load(SpeechEmotion.from_checkpoint())
    listener = SpeechFolder.from_folder(host.model_folder(model))
    if listener.unknown:
        log.warning("'%s': labels that are no class: %s", model, ", ".join(listener.unknown))
    return host.load(listener)


class SynchroRaMaEmotionFromText(io.ComfyNode):
    """Reads the emotion of words."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaEmotionFromText",
            display_name="Emotion from Text",
            category=CATEGORY,
            description="Estimates from the words what is felt, sentence by sentence.",
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    tooltip="What is said: plain text, lines like '0:00–0:02 text', SRT or WebVTT. "
                    "Plain text is spread over the speech.",
                ),
                io.Audio.Input("audio", tooltip="The speech, which sets the length."),
                fps_input(),
                _model_input(
                    "The built-in classifier, for English, or a Hugging Face text classification "
                    "folder in models/synchrorama, which takes its place."
                ),
            ],
            outputs=[
                emotion_output(),
                report_output("Each sentence and how it was read."),
            ],
        )

    @classmethod
    def execute(cls, text: str, audio: Audio, fps: float, model: str) -> io.NodeOutput:
        """Estimate the emotion."""
        waveform, sample_rate = one_speech(audio)
        judge: BuiltinJudge | FolderJudge
        if model == host.BUILT_IN:
            judge = BuiltinJudge(TextEmotion.from_checkpoint())
        else:
            judge = FolderJudge(host.model_folder(model))
        host.load(judge.model)
        emotion, report = emotion_from_text(
            judge,
            host.load(EmotionFusion.from_checkpoint()),
            text,
            waveform,
            sample_rate,
            fps=fps,
        )
        return io.NodeOutput(emotion, report)


class SynchroRaMaEmotionFromSpeech(io.ComfyNode):
    """Hears the emotion of a voice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaEmotionFromSpeech",
            display_name="Emotion from Speech",
            category=CATEGORY,
            description="Estimates from the sound of a voice what is felt, frame by frame.",
            inputs=[
                _voice_input(),
                fps_input(),
                _model_input(
                    "The built-in network, or a Hugging Face audio classification folder in "
                    "models/synchrorama, which takes its place."
                ),
            ],
            outputs=[emotion_output()],
        )

    @classmethod
    def execute(cls, audio: Audio, fps: float, model: str) -> io.NodeOutput:
        """Estimate the emotion."""
        waveform, sample_rate = one_speech(audio)
        emotion = emotion_from_speech(
            _speech_listener(model),
            host.load(EmotionFusion.from_checkpoint()),
            waveform,
            sample_rate,
            fps=fps,
            on_step=host.watch(1),
        )
        return io.NodeOutput(emotion)


class SynchroRaMaEmotionValenceArousal(io.ComfyNode):
    """Hears how pleasant and how excited a voice is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaEmotionValenceArousal",
            display_name="Valence and Arousal from Speech",
            category=CATEGORY,
            description="Estimates from the sound of a voice how pleasant (valence) and how "
            "excited (arousal) it is, frame by frame.",
            inputs=[
                _voice_input(),
                fps_input(),
                _model_input(
                    "The built-in network, or a Hugging Face folder in models/synchrorama that "
                    "tells arousal, dominance and valence, which takes its place."
                ),
                number(
                    "prosody",
                    "How far pitch, loudness and rate move arousal within the clip: 0 not "
                    "at all, 2 twice as far.",
                ),
            ],
            outputs=[emotion_output()],
        )

    @classmethod
    def execute(cls, audio: Audio, fps: float, model: str, prosody: float) -> io.NodeOutput:
        """Estimate valence and arousal."""
        waveform, sample_rate = one_speech(audio)
        emotion = valence_arousal_from_speech(
            _speech_listener(model),
            host.load(EmotionFusion.from_checkpoint()),
            waveform,
            sample_rate,
            fps=fps,
            prosody=prosody,
            on_step=host.watch(1),
        )
        return io.NodeOutput(emotion)
