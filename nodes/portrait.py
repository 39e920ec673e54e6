"""Stage 1, portrait: a picture becomes a head that can be animated."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..models.head import HeadModel
from ..models.portrait.landmarker import FaceLandmarker
from ..models.portrait.prepare import prepare_portrait
from ..models.portrait.preview import portrait_mask, portrait_preview
from . import host
from .types import (
    BoundingBoxSocket,
    FaceLandmarksSocket,
    PortraitSocket,
    around,
    one_box,
    one_landmarks,
    one_picture,
)

CATEGORY = "SynchroRaMa/1 portrait"


class SynchroRaMaPortraitPrepare(io.ComfyNode):
    """Finds a face, cuts out the head and fits the parametric head to it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="SynchroRaMaPortraitPrepare",
            display_name="Prepare Portrait",
            category=CATEGORY,
            description="Finds a face in a picture, cuts out the head and fits a 3D head to it.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="One picture with a human face, at least 32 pixels wide."
                ),
                io.Int.Input(
                    "size",
                    default=512,
                    min=256,
                    max=1024,
                    step=64,
                    tooltip="Side of the head crop in pixels. Larger is sharper and slower.",
                ),
                io.Int.Input(
                    "face_index",
                    default=0,
                    min=0,
                    max=63,
                    tooltip="Which face when there are several: 0 the largest, 1 the next.",
                ),
                BoundingBoxSocket.Input(
                    "face_box",
                    optional=True,
                    tooltip="Where the face is, when it is not found by itself.",
                    extra_dict={"forceInput": True},
                ),
                FaceLandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="Landmarks from Detect Face Landmarks (MediaPipe), used as they are.",
                ),
            ],
            outputs=[
                PortraitSocket.Output(
                    "portrait", display_name="portrait", tooltip="The head, ready to be animated."
                ),
                io.Image.Output("crop", display_name="crop", tooltip="The head crop."),
                io.Image.Output(
                    "preview",
                    display_name="preview",
                    tooltip="The crop with landmarks and the fitted head.",
                ),
                io.Mask.Output(
                    "mask",
                    display_name="mask",
                    tooltip="White where the fitted head is in the crop.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        size: int,
        face_index: int,
        face_box: Any = None,
        face_landmarks: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        """Prepare the portrait."""
        head = HeadModel.from_checkpoint()
        points = None if face_landmarks is None else one_landmarks(face_landmarks, face_index)
        box = around(points) if points is not None else None
        box = one_box(face_box, face_index) if face_box is not None else box
        portrait = prepare_portrait(
            one_picture(image),
            landmarker=host.load(FaceLandmarker.from_checkpoint()),
            head=head,
            size=size,
            face_index=face_index if box is None else 0,  # the box has chosen already
            face_box=box,
            landmarks=points,
        )
        preview, mask = portrait_preview(portrait, head), portrait_mask(portrait, head)
        return io.NodeOutput(portrait, portrait.image[None], preview[None], mask[None])
