"""Stage 2, emotion: estimates fused, directed by hand, seen as a curve."""

from __future__ import annotations

from comfy_api.latest import io

from ..models.emotion.direct import EASINGS, direct_emotion, frames_of, parse_direction
from ..models.emotion.fusion import EmotionFusion, fuse
from ..models.emotion.plot import emotion_plot
from ..models.speech import frame_count
from ..models.types import EMOTIONS, Emotion
from . import host
from .emotion import CATEGORY
from .inputs import emotion_output, fps_input, number, plot_output, plot_size, report_output
from .types import Audio, EmotionSocket, one_speech


class SynchroRaMaEmotionFuse(io.ComfyNode):
    """Makes one emotion out of several estimates."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        estimates = {
            "text": "What the words tell.",
            "speech": "What the voice tells.",
            "valence_arousal": "How pleasant and excited the voice is.",
        }
        return io.Schema(
            node_id="SynchroRaMaEmotionFuse",
            display_name="Fuse Emotions",
            category=CATEGORY,
            description="Weighs estimates of the same speech against each other, frame by frame. "
            "Where they contradict each other it is less confident, and says so.",
            inputs=[
                *(
                    EmotionSocket.Input(
                        name, optional=True, tooltip=f"{tooltip} It may be left unconnected."
                    )
                    for name, tooltip in estimates.items()
                ),
                *(
                    number(
                        f"{name}_weight",
                        f"How much '{name}' counts in comparison with the others; 0 leaves "
                        "it out entirely.",
                        high=4.0,
                    )
                    for name in estimates
                ),
            ],
            outputs=[
                emotion_output("What is felt, all told."),
                report_output("Who contradicts whom, and when."),
            ],
        )

    @classmethod
    def execute(
        cls,
        text_weight: float,
        speech_weight: float,
        valence_arousal_weight: float,
        text: Emotion | None = None,
        speech: Emotion | None = None,
        valence_arousal: Emotion | None = None,
    ) -> io.NodeOutput:
        """Fuse them."""
        weights = (text_weight, speech_weight, valence_arousal_weight)
        model = host.load(EmotionFusion.from_checkpoint())
        return io.NodeOutput(*fuse(model, (text, speech, valence_arousal), weights))


class SynchroRaMaEmotionDirect(io.ComfyNode):
    """Sets the emotion by hand."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaEmotionDirect",
            display_name="Direct Emotion",
            category=CATEGORY,
            description="Sets the emotion by hand, for the whole clip or over time, alone or over "
            "an estimate. Contempt and mixtures can only be had here: no estimate tells them.",
            inputs=[
                io.String.Input(
                    "direction",
                    multiline=True,
                    default="happy 0.8, surprised 0.2",
                    tooltip="One line like 'happy 0.8, surprised 0.2' or 'va 0.4 -0.3' (valence, "
                    "arousal) for the whole clip, or one line for each moment with its second "
                    "first: '1.5 happy 0.8'. What strengths leave to 1 is neutral. Emotions: "
                    f"{', '.join(EMOTIONS)}. Contempt and mixtures exist only here.",
                ),
                io.Combo.Input(
                    "easing",
                    options=list(EASINGS),
                    default=EASINGS[0],
                    tooltip="From one moment to the next: smooth changes gently, linear evenly, "
                    "hold jumps.",
                ),
                number(
                    "blend", "Over a connected 'emotion': 0 keeps that, 1 replaces it.", high=1.0
                ),
                fps_input(
                    "Frames a second of the video, 8 to 60. A connected 'emotion' brings its own."
                ),
                number(
                    "seconds",
                    "Length of the clip where neither 'emotion' nor 'audio' is connected.",
                    4.0,
                    low=0.04,
                    high=3600.0,
                    step=0.01,
                ),
                EmotionSocket.Input(
                    "emotion",
                    optional=True,
                    tooltip="An estimate to lay the direction over; sets length and frame rate.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="The speech; sets the length."),
            ],
            outputs=[
                EmotionSocket.Output(
                    "emotion_out", display_name="emotion", tooltip="What is felt, as directed."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        direction: str,
        easing: str,
        blend: float,
        fps: float,
        seconds: float,
        emotion: Emotion | None = None,
        audio: Audio | None = None,
    ) -> io.NodeOutput:
        """Direct it."""
        keys = parse_direction(direction)
        fps = fps if emotion is None else emotion.fps
        frames = frames_of(seconds, fps) if emotion is None else emotion.scores.shape[0]
        if audio is not None:
            waveform, sample_rate = one_speech(audio)
            frames = frame_count(waveform.shape[-1], sample_rate, fps)
        model = host.load(EmotionFusion.from_checkpoint())
        return io.NodeOutput(
            direct_emotion(model, keys, frames, fps, easing=easing, over=emotion, blend=blend)
        )


class SynchroRaMaEmotionPlot(io.ComfyNode):
    """Draws the emotion's curves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaEmotionPlot",
            display_name="Plot Emotion",
            category=CATEGORY,
            description="Draws classes, valence, arousal and confidence over the waveform and the "
            "words, and tells them in words.",
            inputs=[
                EmotionSocket.Input("emotion", tooltip="The emotion to look at."),
                *plot_size(),
                io.String.Input(
                    "text",
                    optional=True,
                    multiline=True,
                    default="",
                    tooltip="What is said, as for Emotion from Text; drawn where 'audio' is "
                    "connected.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="The speech it belongs to."),
            ],
            outputs=[
                plot_output(),
                io.String.Output("summary", display_name="summary", tooltip="The same in words."),
            ],
        )

    @classmethod
    def execute(
        cls,
        emotion: Emotion,
        width: int,
        height: int,
        text: str = "",
        audio: Audio | None = None,
    ) -> io.NodeOutput:
        """Draw the plot."""
        waveform, sample_rate = (None, None) if audio is None else one_speech(audio)
        return io.NodeOutput(
            *emotion_plot(emotion, waveform, sample_rate, text, width=width, height=height)
        )
