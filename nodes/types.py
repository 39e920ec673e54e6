"""What runs along the wires: the pack's own sockets, and ComfyUI's types brought to one form.

Shapes: B batch, H W pixels, C channels, S samples, K = 478 landmarks.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..models.media import as_rgb
from ..models.types import LANDMARKS, Motion, Portrait

Audio = dict[str, Any]  # {"waveform": [B, C, S] about -1..1, "sample_rate": Hz}

# Socket ids are shared by all packs, hence the prefix; they never change.
PortraitSocket = io.Custom("SYNCHRORAMA_PORTRAIT")
EmotionSocket = io.Custom("SYNCHRORAMA_EMOTION")
MotionSocket = io.Custom("SYNCHRORAMA_MOTION")
SceneSocket = io.Custom("SYNCHRORAMA_SCENE")
SceneRequestSocket = io.Custom("SYNCHRORAMA_SCENE_REQUEST")
LanguageModelSocket = io.Custom("SYNCHRORAMA_LLM")

# Core types that only later versions of ComfyUI declare.
FaceLandmarksSocket = io.Custom("FACE_LANDMARKS")
BoundingBoxSocket = io.Custom("BOUNDING_BOX")


def one_picture(image: Tensor) -> Tensor:
    """The only picture of an IMAGE, [H, W, 3] 0..1.

    Args:
        image: [B, H, W, C], C one of 1, 3, 4.

    Raises:
        ValueError: There is more than one picture, or none.
    """
    if image.shape[0] != 1:
        raise ValueError(
            f"'image' holds {image.shape[0]} pictures, needed is one. Pick one, for example with "
            "the node Get Image from Batch."
        )
    return as_rgb(image[0])


def one_speech(audio: Audio) -> tuple[Tensor, int]:
    """Waveform [C, S] and sample rate in Hz of an AUDIO.

    Args:
        audio: {"waveform": [B, C, S], "sample_rate": Hz}.

    Raises:
        ValueError: There is more than one clip, or none.
    """
    waveform = audio["waveform"]
    if waveform.shape[0] != 1:
        raise ValueError(
            f"'audio' holds {waveform.shape[0]} clips, needed is one. Run the workflow once for "
            "each clip."
        )
    return waveform[0], int(audio["sample_rate"])


def one_scene(scene: Any, width: int) -> Tensor | None:
    """The tokens [1, L, C] of a CONDITIONING; for a text, or where none are read, an empty one.

    Args:
        scene: A CONDITIONING [[tokens, options], ...], a STRING, or None.
        width: C that the renderer reads; 0 if it reads none.

    Raises:
        ValueError: The renderer reads tokens, and this is a text or has tokens of another width.
    """
    if scene is None or scene == "":
        return None
    if not width:
        return torch.zeros(1, 0, 0)
    if isinstance(scene, str):
        raise ValueError(
            "'scene' is a text, which this renderer reads only encoded. Put CLIP Text Encode with "
            "a CLIP of Stable Diffusion 1.5 between."
        )
    tokens: Tensor = scene[0][0]
    if tokens.ndim != 3 or tokens.shape[2] != width:
        raise ValueError(
            f"'scene' holds tokens of shape {list(tokens.shape)}, needed is [1, tokens, {width}]. "
            "Use CLIP Text Encode with a CLIP of Stable Diffusion 1.5."
        )
    return tokens[:1]


def require_frames(frames: Tensor, portrait: Portrait, motion: Motion) -> None:
    """Refuse motion frames that are not those of the portrait and the motion.

    Raises:
        ValueError: They are of another size or count.
    """
    side = portrait.image.shape[0]
    if tuple(frames.shape) != (motion.frames, side, side, 3):
        raise ValueError(
            f"'frames' are {frames.shape[0]} of {frames.shape[2]} x {frames.shape[1]}, 'motion' "
            f"has {motion.frames} frames and the head crop of 'portrait' is {side} x {side}. "
            "Connect Motion Frames of the same portrait and motion."
        )


def require_rendered(frames: Tensor, rendered: Tensor, mask: Tensor) -> None:
    """Refuse rendered pictures and a mask that are not for the frames.

    Raises:
        ValueError: They are of another count, no squares, or the mask is of another size.
    """
    if rendered.shape[0] != frames.shape[0] or rendered.shape[1] != rendered.shape[2]:
        raise ValueError(
            f"'rendered' is {rendered.shape[0]} pictures of {rendered.shape[2]} x "
            f"{rendered.shape[1]}, needed are {frames.shape[0]} squares. Connect VAE Decode of the "
            "same clip."
        )
    if mask.shape != frames.shape[:3]:
        raise ValueError(
            f"'mask' has shape {list(mask.shape)}, 'frames' are {list(frames.shape[:3])}. Connect "
            "'mask' of the same Render Condition."
        )


def one_box(boxes: Any, face_index: int) -> Tensor:
    """A face's box, [4] x0, y0, x1, y1 in pixels.

    Args:
        boxes: A BOUNDING_BOX. It is declared as one {"x", "y", "width", "height"}; detectors send
            one list of those for each picture.
        face_index: Which one, counted from the largest.

    Raises:
        ValueError: There is no such box.
    """
    while isinstance(boxes, list) and boxes and isinstance(boxes[0], list):
        boxes = boxes[0]
    found = [boxes] if isinstance(boxes, dict) else list(boxes)
    corners = [
        torch.tensor([box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]])
        for box in found
    ]
    return corners[_nth_largest(corners, face_index, "face_box")].float()


def one_landmarks(landmarks: dict[str, Any], face_index: int) -> Tensor:
    """A face's landmarks [K, 3] in pixels, z on the same scale.

    Args:
        landmarks: A FACE_LANDMARKS. x and y come in pixels, z in the units of the landmarker's
            own crop, which is a scaled, turned copy of the picture.
        face_index: Which one, counted from the largest.

    Raises:
        ValueError: There is no such face, or its landmarks are not the 478 of the Face Landmarker.
    """
    faces = landmarks["frames"][0] if landmarks["frames"] else []
    boxes = [torch.as_tensor(face["bbox_xyxy"]) for face in faces]
    face = faces[_nth_largest(boxes, face_index, "face_landmarks")]
    xy = torch.as_tensor(face["landmarks_xy"]).float()
    crop = torch.as_tensor(face["landmarks_3d"]).float()
    if xy.shape != (LANDMARKS, 2) or crop.shape != (LANDMARKS, 3):
        raise ValueError(
            f"'face_landmarks' holds {xy.shape[0]} points, needed are {LANDMARKS}. Connect the "
            "node Detect Face Landmarks (MediaPipe), or nothing."
        )
    spread, crop_spread = (points - points.mean(0) for points in (xy, crop[:, :2]))
    scale = spread.norm() / crop_spread.norm()
    return torch.cat([xy, crop[:, 2:] * scale], 1)


def around(landmarks: Tensor) -> Tensor:
    """The box around landmarks [K, 3], [4] x0, y0, x1, y1."""
    return torch.cat([landmarks[:, :2].amin(0), landmarks[:, :2].amax(0)])


def _nth_largest(boxes: list[Tensor], index: int, name: str) -> int:
    if index >= len(boxes):
        raise ValueError(
            f"'face_index' is {index} but '{name}' holds {len(boxes)} faces. Choose a smaller "
            f"'face_index', which counts from 0, or disconnect '{name}'."
        )
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in boxes]
    return sorted(range(len(boxes)), key=lambda i: -areas[i])[index]
