from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion import liveliness as live

FPS = 25.0


def phrases(seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Loudness with an accent each second, and who speaks: three seconds yes, one no."""
    times = (torch.arange(int(seconds * FPS)) + 0.5) / FPS
    activity = ((times % 4.0) < 3.0).float()
    loud = activity * (0.4 + 0.4 * torch.exp(-((((times % 1.0) - 0.5) / 0.1) ** 2)))
    return loud, activity


def test_blinks_come_as_often_as_people_blink() -> None:
    activity = phrases(600.0)[1]
    lids = live.blink_track(activity, FPS, 0)
    shut = lids > 0.5
    starts = torch.nonzero(shut[1:] & ~shut[:-1])[:, 0]
    assert 8.0 <= len(starts) / 10.0 <= 25.0
    assert float(starts.diff().min()) / FPS >= 1.0
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
    activity = phrases(600.0)[1]
    lids = live.blink_track(activity, FPS, 0) > 0.99
    since = torch.nonzero(lids)[:, 0] / FPS % 4.0
    near = ((since > 3.0) & (since < 3.3)).float().mean()
    assert float(near) > 3.0 * 0.3 / 4.0


def test_the_head_stays_gentle_and_settles() -> None:
    loud, activity = phrases(60.0)
    rotation, translation = live.head_track(loud, live.speaking(activity, FPS), FPS, 0)
    degrees = torch.rad2deg(rotation)
    assert 2.0 < float(degrees.abs().max()) < 12.0
    assert float(degrees[[0, -1]].abs().max()) < 0.3
    assert float(degrees.diff(dim=0).abs().max()) * FPS < 60.0
    assert float(translation.abs().max()) < 0.03


def test_the_head_does_not_drift_away() -> None:
    loud, activity = phrases(600.0)
    rotation, _ = live.head_track(loud, live.speaking(activity, FPS), FPS, 1)
    thirds = torch.rad2deg(rotation).split(5000)
    assert all(float(part[:, 1:].mean(0).abs().max()) < 1.0 for part in thirds)


def test_emphases_nod() -> None:
    loud, activity = phrases(60.0)
    picked = live.emphases(loud, FPS)
    assert 30 <= len(picked) <= 48
    assert all(abs((frame / FPS) % 1.0 - 0.5) < 0.15 for frame, _ in picked)
    flat, _ = live.head_track(0.4 * activity, live.speaking(activity, FPS), FPS, 0)
    nods, _ = live.head_track(loud, live.speaking(activity, FPS), FPS, 0)
    assert float((nods - flat)[:, 0].mean()) > 0.0


def test_brows_rise_a_little_and_not_always() -> None:
    loud, _ = phrases(60.0)
    brows = live.gesture_track(loud, FPS, 0)
    assert 0.05 < float(brows.max()) <= 0.3
    assert float((brows > 0.05).float().mean()) < 0.5


def test_one_frame_works() -> None:
    rotation, translation = live.head_track(torch.ones(1), torch.ones(1), FPS, 0)
    assert rotation.shape == translation.shape == (1, 3)
    assert live.blink_track(torch.ones(1), FPS, 0).shape == (1,)


@pytest.mark.parametrize("seed", [-1, 2**64 - 1])
def test_any_seed_works(seed: int) -> None:
    assert live.blink_track(torch.ones(100), FPS, seed).shape == (100,)
