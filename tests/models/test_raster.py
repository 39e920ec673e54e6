"""The rasteriser against one that tries every pixel with every triangle."""

import numpy as np
import pytest
import torch
from synchrorama.models.raster import interpolate, rasterise

HEIGHT, WIDTH = 23, 31


def soup(triangles: int, seed: int, spread: float = 1.5):
    """Random vertices [2, V, 2], about a third of them off the picture, and depths [2, V]."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([WIDTH, HEIGHT])
    xy = (torch.rand(2, 3 * triangles, 2, generator=generator) - 0.5) * spread * size + size / 2
    return xy, torch.rand(2, 3 * triangles, generator=generator)


def brute(xy, depth, faces, behind=None):
    """The triangle seen at each pixel [H, W], and whether no pixel is on an edge there."""
    xy, depth = xy.double().numpy(), depth.double().numpy()
    px, py = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    best = np.full((HEIGHT, WIDTH), -1)
    level = np.full((HEIGHT, WIDTH), -np.inf)
    clear = np.ones((HEIGHT, WIDTH), bool)
    for number, corners in enumerate(faces.tolist()):
        (ax, ay), (bx, by), (cx, cy) = xy[corners]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
        v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
        least = np.minimum(np.minimum(u, v), 1 - u - v)
        clear &= np.abs(least) > 1e-3
        near = depth[corners].mean() - (1e9 if behind is not None and behind[number] else 0.0)
        wins = (least >= 0) & (near > level)
        best[wins], level[wins] = number, near
    return torch.from_numpy(best), torch.from_numpy(clear)


def assert_same(found, xy, depth, faces, behind=None):
    for picture in range(len(xy)):
        wanted, clear = brute(xy[picture], depth[picture], faces, behind)
        assert clear.float().mean() > 0.5
        assert torch.equal(found[picture][clear], wanted[clear])


@pytest.mark.parametrize(("triangles", "seed"), [(1, 0), (12, 1), (60, 2)])
def test_like_brute_force(triangles, seed):
    xy, depth = soup(triangles, seed)
    faces = torch.arange(3 * triangles).view(-1, 3)
    found = rasterise(xy, depth, faces, HEIGHT, WIDTH)
    assert found.shape == (2, HEIGHT, WIDTH)
    assert found.dtype == torch.int64
    assert_same(found, xy, depth, faces)
    assert len(found.unique()) > 1  # something is seen


def test_winding_does_not_matter():
    xy, depth = soup(30, 3)
    faces = torch.arange(90).view(-1, 3)
    found = rasterise(xy, depth, faces, HEIGHT, WIDTH)
    assert torch.equal(found, rasterise(xy, depth, faces.flip(1), HEIGHT, WIDTH))
    assert torch.equal(found, rasterise(xy, depth, faces.roll(1, 1), HEIGHT, WIDTH))


def test_behind_is_seen_only_through_gaps():
    xy, depth = soup(40, 4)
    faces = torch.arange(120).view(-1, 3)
    behind = (torch.arange(40) % 2).float()
    found = rasterise(xy, depth, faces, HEIGHT, WIDTH, behind)
    assert_same(found, xy, depth, faces, behind)
    assert (found >= 0).equal(rasterise(xy, depth, faces, HEIGHT, WIDTH) >= 0)


def test_behind_may_be_bytes():
    xy, depth = soup(10, 5)
    faces = torch.arange(30).view(-1, 3)
    behind = torch.arange(10) % 2
    assert torch.equal(
        rasterise(xy, depth, faces, HEIGHT, WIDTH, behind.to(torch.uint8)),
        rasterise(xy, depth, faces, HEIGHT, WIDTH, behind.float()),
    )


def test_equally_deep_the_last_wins():
    xy = torch.tensor([[[-9.0, -9.0], [99.0, -9.0], [-9.0, 99.0]]])
    faces = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    assert (rasterise(xy, torch.ones(1, 3), faces, HEIGHT, WIDTH) == 2).all()
    behind = torch.tensor([0.0, 1.0, 1.0])
    assert (rasterise(xy, torch.ones(1, 3), faces, HEIGHT, WIDTH, behind) == 0).all()


@pytest.mark.parametrize(
    "corners",
    [
        [[4.0, 4.0], [4.0, 4.0], [4.0, 4.0]],  # a point
        [[0.5, 0.5], [10.5, 10.5], [20.5, 20.5]],  # a line through pixel centres
        [[2.5, 3.5], [2.5, 3.5], [9.5, 3.5]],
        [[4.1, 4.1], [4.2, 4.4], [4.4, 4.2]],  # between the centres
        [[-9.0, 4.0], [-2.0, 8.0], [-2.0, 1.0]],  # off to the left
        [[31.1, 4.0], [39.0, 8.0], [50.0, 1.0]],
        [[4.0, -9.0], [9.0, -1.0], [12.0, -5.0]],
        [[4.0, 23.1], [9.0, 90.0], [12.0, 24.0]],
    ],
)
def test_nothing_is_seen(corners):
    xy = torch.tensor([corners])
    faces = torch.tensor([[0, 1, 2]])
    found = rasterise(xy, torch.zeros(1, 3), faces, HEIGHT, WIDTH)
    assert (found == -1).all()
    assert (interpolate(found, xy, faces, torch.ones(3, 2)) == 0).all()


def test_no_pictures():
    faces = torch.tensor([[0, 1, 2]])
    assert rasterise(torch.zeros(0, 3, 2), torch.zeros(0, 3), faces, 4, 5).shape == (0, 4, 5)


def test_larger_than_the_picture():
    xy = torch.tensor([[[-1e4, -1e4], [3e4, -1e4], [-1e4, 3e4]]])
    faces = torch.tensor([[0, 1, 2]])
    found = rasterise(xy, torch.zeros(1, 3), faces, HEIGHT, WIDTH)
    assert (found == 0).all()


def test_a_mesh_has_no_cracks_and_no_overlap():
    """Each pixel of a jittered grid of triangles is drawn; only shared edges may be drawn twice."""
    generator = torch.Generator().manual_seed(6)
    rows, columns = 9, 12
    y, x = torch.meshgrid(
        torch.linspace(-2, 25, rows), torch.linspace(-2, 33, columns), indexing="ij"
    )
    xy = torch.stack((x, y), -1) + torch.rand(rows, columns, 2, generator=generator)
    number = torch.arange(rows * columns).view(rows, columns)
    a, b, c, d = (
        t.flatten() for t in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:])
    )
    faces = torch.cat((torch.stack((a, b, c), 1), torch.stack((d, c, b), 1)))
    xy = xy.view(1, -1, 2)
    found = rasterise(xy, torch.zeros(1, rows * columns), faces, HEIGHT, WIDTH)
    assert (found >= 0).all()
    wanted, clear = brute(xy[0], torch.zeros(rows * columns), faces)
    assert torch.equal(found[0][clear], wanted[clear])


def test_affine_functions_are_exact():
    xy, depth = soup(25, 7)
    faces = torch.arange(75).view(-1, 3)
    found = rasterise(xy, depth, faces, HEIGHT, WIDTH)
    slope = torch.tensor([[2.0, -1.0, 0.0], [0.5, 3.0, 0.0]])
    values = xy @ slope + torch.tensor([4.0, -7.0, 9.0])
    seen = interpolate(found, xy, faces, values)
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    wanted = torch.stack((x, y), -1) @ slope + torch.tensor([4.0, -7.0, 9.0])
    wanted = torch.where((found >= 0)[..., None], wanted, 0.0)
    assert torch.allclose(seen, wanted, atol=2e-3)


def test_each_triangle_has_its_own_values():
    """Constant values per triangle come back as its number; values may be shared by the batch."""
    xy, depth = soup(25, 8)
    faces = torch.arange(75).view(-1, 3)
    found = rasterise(xy, depth, faces, HEIGHT, WIDTH)
    values = torch.arange(25.0).repeat_interleave(3)[:, None]
    seen = interpolate(found, xy, faces, values)
    assert torch.allclose(seen[..., 0], found.clamp(min=0).float(), atol=2e-3)
    assert torch.equal(seen, interpolate(found, xy, faces, values.expand(2, -1, -1)))


def test_pictures_of_a_batch_are_alone():
    xy, depth = soup(25, 9)
    faces = torch.arange(75).view(-1, 3)
    both = rasterise(xy, depth, faces, HEIGHT, WIDTH)
    for k in range(2):
        alone = rasterise(xy[k : k + 1], depth[k : k + 1], faces, HEIGHT, WIDTH)
        assert torch.equal(both[k], alone[0])
