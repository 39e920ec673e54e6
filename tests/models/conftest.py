"""Things that many tests of models need."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from synchrorama.models.head import HeadModel
from synchrorama.models.media import read_image
from synchrorama.models.portrait.landmarker import FaceLandmarker
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.types import LANDMARKS, FittedHead, Portrait
from torch import Tensor

MakePortrait = Callable[..., Portrait]
SAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "sample_portrait.png"


@pytest.fixture(scope="session")
def head() -> HeadModel:
    """The shipped head."""
    return HeadModel.from_checkpoint()


@pytest.fixture(scope="session")
def landmarker() -> FaceLandmarker:
    """The shipped landmarker."""
    return FaceLandmarker.from_checkpoint()


@pytest.fixture(scope="session")
def sample() -> Tensor:
    """The sample portrait, [400, 400, 3]."""
    return read_image(SAMPLE)


@pytest.fixture(scope="session")
def portrait(head: HeadModel, landmarker: FaceLandmarker, sample: Tensor) -> Portrait:
    """The sample portrait, prepared at 256 px."""
    return prepare_portrait(sample, landmarker=landmarker, head=head, size=256)


@pytest.fixture
def make_portrait() -> MakePortrait:
    """Builds a Portrait by hand: a crop of a random, smooth or detailed picture."""

    def make(
        source: tuple[int, int] = (90, 120),
        crop: int = 48,
        corner: tuple[float, float] = (30.0, 20.0),
        scale: float = 1.0,
        cell: int = 6,
        degrees: float = 0.0,
        seed: int = 0,
    ) -> Portrait:
        """A crop of `crop`² px from `corner` (x, y) with `scale` source px per crop px.

        `cell` is the size of the picture's blobs in px, 1 is white noise; `degrees` turn the crop
        about its corner, clockwise.
        """
        generator = torch.Generator().manual_seed(seed)
        height, width = source
        blobs = torch.rand(1, 3, height // cell + 2, width // cell + 2, generator=generator)
        picture = F.interpolate(blobs, source, mode="bicubic").clamp(0, 1)[0]
        picture = (picture * 255).round() / 255
        c = scale * math.cos(math.radians(degrees))
        s = scale * math.sin(math.radians(degrees))
        theta = torch.tensor([[c, -s, corner[0]], [s, c, corner[1]]])
        at = torch.arange(crop) + 0.5
        where = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)[None]
        where = where @ theta[:, :2].T + theta[:, 2]
        soft = picture[None]
        if scale > 1:  # an area mean, so that the crop does not alias
            odd = 2 * round((scale - 1) / 2) + 1
            soft = F.avg_pool2d(soft, odd, 1, odd // 2, count_include_pad=False)
        grid = where * (2 / torch.tensor([width, height])) - 1
        image = F.grid_sample(soft, grid, padding_mode="border", align_corners=False)
        head = FittedHead(
            identity=torch.randn(4, generator=generator),
            expression=torch.rand(52, generator=generator) * 0.2,
            rotation=torch.eye(3),
            scale=crop / 2.5,
            translation=torch.tensor([crop / 2, crop / 2]),
            error=0.01,
        )
        return Portrait(
            image=image[0].permute(1, 2, 0),
            landmarks=torch.rand(LANDMARKS, 3, generator=generator) * crop,
            head=head,
            source=picture.permute(1, 2, 0),
            to_source=theta,
        )

    return make
