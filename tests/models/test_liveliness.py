from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion import liveliness as live
from synchrorama.models.types import ARKIT_INDEX

FPS = 25.0


def phrases(seconds: float) -> torch.Tensor:
    """Who speaks: three seconds yes, one no."""
    times = (torch.arange(int(seconds * FPS)) + 0.5) / FPS
    return ((times % 4.0) < 3.0).float()


def test_blinks_come_as_often_as_people_blink() -> None:
    lids = live.blink_track(phrases(600.0), FPS, 0)
    shut = lids > 0.5
    starts = torch.nonzero(shut[1:] & ~shut[:-1])[:, 0]
    assert 8.0 <= len(starts) / 10.0 <= 25.0
    assert float(starts.diff().min()) / FPS >= 0.6
    runs = [len(run) for run in "".join("x" if s else " " for s in shut).split()]
    assert max(runs) / FPS <= 0.5
    assert float(lids.max()) == 1.0


@pytest.mark.parametrize("fps", [8.0, 23.976, 30.0, 60.0])
def test_every_blink_closes_in_one_frame(fps: float) -> None:
    lids = live.blink_track(torch.ones(int(60 * fps)), fps, 4)
    peaks = lids[1:-1][(lids[1:-1] >= lids[:-2]) & (lids[1:-1] > lids[2:])]
    assert len(peaks) > 5
    assert float(peaks.min()) > 0.99


def test_blinks_prefer_the_ends_of_phrases() -> None:
    lids = live.blink_track(phrases(600.0), FPS, 0) > 0.99
    since = torch.nonzero(lids)[:, 0] / FPS % 4.0
    near = ((since > 3.0) & (since < 3.3)).float().mean()
    assert float(near) > 3.0 * 0.3 / 4.0


def test_eyes_rest_on_the_viewer_and_glance_away() -> None:
    gaze = live.glance_track(phrases(300.0), torch.zeros(7500, 3), FPS, 0)
    away = gaze.norm(dim=1) > 0.03
    assert 0.05 < float(away.float().mean()) < 0.4
    assert float(gaze.abs().max()) <= 0.35
    starts = torch.nonzero(away[1:] & ~away[:-1])[:, 0]
    assert float(starts.diff().min()) / FPS > 0.5


def test_eyes_stay_on_the_viewer_when_the_head_turns() -> None:
    rotation = torch.zeros(50, 3)
    rotation[:, 1] = 0.2  # to the right of the picture
    rotation[:, 0] = 0.1  # down
    gaze = live.glance_track(torch.zeros(50), rotation, FPS, 0)[:10]
    assert float(gaze[:, 0].max()) < -0.1
    assert float(gaze[:, 1].min()) > 0.1


def test_gaze_turns_both_eyes_the_same_way() -> None:
    coefficients = torch.zeros(2, 52)
    live.add_gaze(coefficients, torch.tensor([[0.3, 0.2], [-0.3, -0.2]]))
    shown = [{name for name, i in ARKIT_INDEX.items() if row[i] > 0} for row in coefficients]
    assert shown[0] == {"eyeLookOutLeft", "eyeLookInRight", "eyeLookUpLeft", "eyeLookUpRight"}
    assert shown[1] == {"eyeLookInLeft", "eyeLookOutRight", "eyeLookDownLeft", "eyeLookDownRight"}


def test_wide_eyes_blink_too() -> None:
    coefficients = torch.zeros(2, 52)
    coefficients[:, ARKIT_INDEX["eyeWideLeft"]] = 0.8
    live.add_blinks(coefficients, torch.tensor([0.0, 1.0]))
    assert coefficients[:, ARKIT_INDEX["eyeWideLeft"]].tolist() == pytest.approx([0.8, 0.0])
    assert coefficients[:, ARKIT_INDEX["eyeBlinkLeft"]].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("frames", [1, 2, 10, 500])
def test_the_head_starts_and_ends_at_rest(frames: int) -> None:
    share = live.settle(frames, FPS)
    assert share.shape == (frames,)
    assert float(share[[0, -1]].max()) < 0.3 or frames <= 2
    if frames == 500:
        assert float(share[50:450].min()) == 1.0


@pytest.mark.parametrize("seed", [-1, 2**64 - 1])
def test_any_seed_and_one_frame_work(seed: int) -> None:
    assert live.blink_track(torch.ones(100), FPS, seed).shape == (100,)
    assert live.glance_track(torch.ones(100), torch.zeros(100, 3), FPS, seed).shape == (100, 2)
    assert live.blink_track(torch.ones(1), FPS, 0).shape == (1,)
    assert live.glance_track(torch.ones(1), torch.zeros(1, 3), FPS, 0).shape == (1, 2)
