"""The stages in a row: one portrait and speech become a video file.

Frames are drawn, pasted and encoded chunk by chunk, so memory does not grow with the length of
the speech. Shapes as in types.py; S samples, b frames of a chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from .emotion.direct import direct_emotion, parse_direction
from .emotion.fusion import EmotionFusion, fuse
from .emotion.speech_emotion import SpeechEmotion
from .emotion.speech_windows import emotion_from_speech, valence_arousal_from_speech
from .emotion.text import BuiltinJudge, emotion_from_text
from .emotion.text_model import TextEmotion
from .head import HeadModel
from .motion.audio_to_motion import AudioToMotion, motion_from_audio
from .motion.face_points import face_points
from .motion.frames import MotionFrames
from .portrait.landmarker import FaceLandmarker
from .portrait.prepare import prepare_portrait
from .render.clip import hear, refine, shrink
from .render.codec import PixelUnshuffle
from .render.region import PARTS, refine_boxes
from .render.sample import Sampling, with_network
from .render.unet import Conditions, UNet
from .render.weights import BUILTIN_FILE, Renderer, load_renderer, trained_paths
from .scene.clip_tokens import LIMIT, ClipTokens
from .scene.describe import describe
from .scene.measure import measure
from .speech import frame_count
from .types import ARKIT_NAMES, EMOTIONS, Emotion, Motion, Portrait, Scene
from .video.encode import write_video
from .video.paste import paste_back

RENDER_SIZE = 256  # px of the head crop that the built-in renderer learned on
OnStage = Callable[[str, int, int], None]  # stage, steps done, steps in all


def talk(
    image: Tensor,
    waveform: Tensor,
    sample_rate: int,
    out: Path,
    *,
    fps: float = 25.0,
    size: int = 512,
    seed: int = 0,
    emotion: Emotion | None = None,
    sampling: Sampling | None = None,
    device: torch.device | None = None,
    on_stage: OnStage | None = None,
) -> Motion:
    """Write the video of a talking portrait, and return how its face moves.

    Args:
        image: [H0, W0, 3] 0..1, a picture with a face; the largest one talks.
        waveform: [C, S] -1..1, the speech.
        sample_rate: Of the waveform, in Hz.
        out: The video file to write, .mp4.
        fps: Frames a second, 8 to 60.
        size: Side of the head crop in pixels.
        seed: Chooses one of many takes of head, brows, blinks and gaze.
        emotion: What the face shows, as long as the speech; None: nothing.
        sampling: How diffusion refines the motion frames; None: not at all.
        device: Where the models run; the CPU unless given.
        on_stage: Told the progress of the stages "portrait", "motion" and "video".

    Raises:
        ValueError: No face, unusable audio or a value out of range.
        CheckpointError: A weight file is missing or broken.
        OSError: The file cannot be written.
    """
    device = device or torch.device("cpu")
    weights = None if sampling is None else load_renderer(BUILTIN_FILE)
    tell = on_stage or (lambda stage, done, steps: None)

    tell("portrait", 0, 1)
    landmarker = FaceLandmarker.from_checkpoint().to(device)
    head = HeadModel.from_checkpoint()
    portrait = prepare_portrait(image, landmarker=landmarker, head=head, size=size)
    tell("portrait", 1, 1)

    tell("motion", 0, 1)
    motion = motion_from_audio(
        AudioToMotion.from_checkpoint().to(device),
        waveform,
        sample_rate,
        fps=fps,
        seed=seed,
        rest=portrait.head.expression,
        emotion=emotion,
    )
    tell("motion", 1, 1)

    drawn = MotionFrames(head, portrait, device).render(motion)
    if weights is not None and sampling is not None:
        speech = (waveform, sample_rate)
        drawn = diffused(drawn, weights, sampling, head, portrait, motion, emotion, speech, device)

    def chunks() -> Iterator[Tensor]:
        done = 0
        tell("video", done, motion.frames)
        for frames in drawn:  # [b, size, size, 3]
            yield paste_back(frames, portrait)  # [b, H0, W0, 3]
            done += frames.shape[0]
            tell("video", done, motion.frames)

    write_video(out, chunks(), fps=fps, waveform=waveform, sample_rate=sample_rate)
    return motion


def diffused(
    frames: Iterator[Tensor],
    weights: Renderer,
    sampling: Sampling,
    head: HeadModel,
    portrait: Portrait,
    motion: Motion,
    emotion: Emotion | None,
    speech: tuple[Tensor, int],
    device: torch.device,
) -> Iterator[Tensor]:
    """Motion frames in chunks [b, size, size, 3], refined by diffusion.

    Args:
        frames: Of the whole motion, in chunks.
        weights: The renderer.
        sampling: Steps, noise, seed, strength.
        head: The parametric head.
        portrait: Whose face it is.
        motion: What the frames were drawn from.
        emotion: What is felt, if anything.
        speech: Waveform [C, S] and its rate in Hz.
        device: Where the network runs.
    """
    network = UNet(weights.config.denoiser)
    network.load_state_dict(dict(weights.tensors))
    network.to(device).train(False).requires_grad_(False)
    codec = PixelUnshuffle(weights.config.downscale)
    trained = trained_paths(weights.tensors)
    heard = hear(trained, motion.frames, motion.fps, emotion=emotion, speech=speech)
    latents = codec.encode(shrink(portrait.image[None], RENDER_SIZE)).to(device)
    points = face_points(head, portrait, motion)
    seen = points * (RENDER_SIZE / portrait.image.shape[0])
    boxes = refine_boxes(seen, RENDER_SIZE, RENDER_SIZE, codec.downscale)
    given = Conditions(
        reference=network.read_parts(latents, boxes), emotion=heard.emotion, speech=heard.speech
    )
    return refine(
        frames,
        points,
        with_network(network, given),
        codec=codec,
        side=RENDER_SIZE,
        window=weights.config.window,
        sampling=sampling,
        parts=PARTS,
    )


def feel(
    waveform: Tensor,
    sample_rate: int,
    *,
    fps: float = 25.0,
    text: str = "",
    direction: str = "",
    device: torch.device | None = None,
) -> Emotion:
    """What is felt in a speech: as directed, or fused from the voice and, if given, the words.

    Args:
        waveform: [C, S] -1..1, the speech.
        sample_rate: Of the waveform, in Hz.
        fps: Frames a second, 8 to 60.
        text: What is said, plain or timed.
        direction: Emotion by hand, as the node Direct Emotion takes it; nothing is estimated then.
        device: Where the models run; the CPU unless given.

    Raises:
        ValueError: Audio, text, direction or fps cannot be used.
    """
    device = device or torch.device("cpu")
    fusion = EmotionFusion.from_checkpoint().to(device)
    if direction:
        frames = frame_count(waveform.shape[-1], sample_rate, fps)
        return direct_emotion(fusion, parse_direction(direction), frames, fps)
    listener = SpeechEmotion.from_checkpoint().to(device)
    speech = emotion_from_speech(listener, fusion, waveform, sample_rate, fps=fps)
    point = valence_arousal_from_speech(listener, fusion, waveform, sample_rate, fps=fps)
    words = None
    if text.strip():
        judge = BuiltinJudge(TextEmotion.from_checkpoint().to(device))
        words, _ = emotion_from_text(judge, fusion, text, waveform, sample_rate, fps=fps)
    emotion, _ = fuse(fusion, (words, speech, point), (1.0, 1.0, 1.0))
    return emotion


def see(
    image: Tensor,
    waveform: Tensor,
    sample_rate: int,
    emotion: Emotion,
    *,
    text: str = "",
    device: torch.device | None = None,
) -> Scene:
    """What picture and speech show and tell, by rules, in words for a video model.

    Args:
        image: [H0, W0, 3] 0..1, a picture with a face; the largest one is described.
        waveform: [C, S] -1..1, the speech.
        sample_rate: Of the waveform, in Hz.
        emotion: What is felt in it.
        text: What is said, plain or timed.
        device: Where the landmarker runs; the CPU unless given.

    Raises:
        ValueError: No face, or audio or text that cannot be used.
    """
    landmarker = FaceLandmarker.from_checkpoint().to(device or torch.device("cpu"))
    head = HeadModel.from_checkpoint()
    portrait = prepare_portrait(image, landmarker=landmarker, head=head)
    facts = measure(
        portrait=portrait,
        head=head,
        astray=landmarker.astray(portrait),
        unsteady=landmarker.unsteady(portrait),
        speech=(waveform, sample_rate),
        emotion=emotion,
        text=text,
    )
    count = ClipTokens.from_checkpoint().count
    scene, _ = describe(facts, style="video", limit=LIMIT, words=12, count=count)
    return scene


def write_motion(path: Path, motion: Motion, emotion: Emotion, scene: Scene) -> None:
    """Write motion, emotion and scene as JSON.

    fps, names, coefficients [T][52], head_rotation and head_translation [T][3]; under "emotion"
    labels, scores [T][8], and valence, arousal and confidence [T]; under "scene" the prompt and
    beats of start and end in seconds and text.
    """
    rounded = {
        name: _rows(getattr(motion, name))
        for name in ("coefficients", "head_rotation", "head_translation")
    }
    felt = {
        "labels": list(EMOTIONS),
        "scores": _rows(emotion.scores),
        "valence": _rows(emotion.valence_arousal[:, 0]),
        "arousal": _rows(emotion.valence_arousal[:, 1]),
        "confidence": _rows(emotion.confidence),
    }
    beats = [{"start": start, "end": end, "text": text} for start, end, text in scene.beats]
    told = {"prompt": scene.prompt, "beats": beats}
    document = {
        "fps": motion.fps,
        "names": list(ARKIT_NAMES),
        **rounded,
        "emotion": felt,
        "scene": told,
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _rows(values: Tensor) -> list[object]:
    """A tensor as lists of numbers with 5 decimals."""
    rounded: list[object] = torch.round(values.double(), decimals=5).tolist()
    return rounded
