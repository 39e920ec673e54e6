"""Weight files of the published families fit, key by key; others are refused by name."""

import json
import os
from pathlib import Path

import pytest
import torch
from synchrorama.models.checkpoint import CheckpointError
from synchrorama.models.render import keys
from synchrorama.models.render.audio import AudioProjection, ImageProjection
from synchrorama.models.render.codec import TinyVAE, TinyVAEConfig
from synchrorama.models.render.config import ANIPORTRAIT, ECHOMIMIC, HALLO, MEMO, TINY
from synchrorama.models.render.layers import Bricks
from synchrorama.models.render.spatial import Guider
from synchrorama.models.render.unet import UNet

META = torch.device("meta")
TABLES = Path(
    os.environ.get("CHECKPOINT_TABLES", Path(__file__).parents[3] / "shared" / "checkpoints")
)


def table(name):
    """Shapes of a published file, from a folder that is not part of the repository."""
    path = TABLES / f"{name}.json"
    if not path.is_file():
        pytest.skip("CHECKPOINT_TABLES names no folder of key tables")
    listed = json.loads(path.read_text(encoding="utf-8"))["keys"]
    return {key: torch.empty(value["shape"], device=META) for key, value in listed.items()}


def guider(config):
    bricks = Bricks(device=META)
    return Guider(bricks, config.in_channels, config.widths, config.out_channels)


FILES = {
    "echomimic.denoising_unet_full": lambda: UNet(ECHOMIMIC.denoiser, device=META),
    "echomimic.reference_unet": lambda: UNet(ECHOMIMIC.reference, device=META),
    "echomimic.face_locator_pose": lambda: guider(ECHOMIMIC.locator),
    "aniportrait.denoising_unet_full": lambda: UNet(ANIPORTRAIT.denoiser, device=META),
    "aniportrait.reference_unet": lambda: UNet(ANIPORTRAIT.reference, device=META),
    "hallo.denoising_unet": lambda: UNet(HALLO.denoiser, device=META),
    "hallo.reference_unet": lambda: UNet(HALLO.reference, device=META),
    "hallo.face_locator": lambda: guider(HALLO.locator),
    "hallo.audioproj": lambda: AudioProjection(Bricks(device=META)),
    "hallo.imageproj": lambda: ImageProjection(Bricks(device=META)),
    "hallo2.denoising_unet": lambda: UNet(HALLO.denoiser, device=META),
    "memo.diffusion_net": lambda: UNet(MEMO.denoiser, device=META),
    "memo.reference_net": lambda: UNet(MEMO.reference, device=META),
    "memo.audio_proj": lambda: AudioProjection(Bricks(device=META)),
    "memo.image_proj": lambda: ImageProjection(Bricks(device=META)),
}


@pytest.mark.parametrize("name", FILES)
def test_published_files_fit_exactly(name):
    """Every key and shape, nothing missing; what is ours has its own beginning."""
    wanted, network = table(name), FILES[name]()
    have = network.state_dict()
    base = {key for key in have if not key.startswith(keys.OWN)}
    assert base == wanted.keys()
    assert all(have[key].shape == wanted[key].shape for key in base)


def test_halloss_packed_file_comes_apart_and_together():
    packed = table("hallo.net_pth")
    ours = keys.HALLO_FILE.to_ours(packed, "net.pth")
    assert keys.HALLO_FILE.to_file(ours, "net.pth").keys() == packed.keys()
    for part in ("denoiser", "reference"):
        network = UNet(getattr(HALLO, part), device=META)
        base = {key for key in network.state_dict() if not key.startswith(keys.OWN)}
        assert keys.part(ours, f"{part}.").keys() == base
    sizes = [len(keys.part(ours, f"{part}.")) for part in ("locator", "audio", "face")]
    assert sizes == [16, 8, 4]


@pytest.fixture
def tiny():
    return UNet(TINY.denoiser)


def test_own_weights_survive(tiny):
    weights = {k: v + 1 for k, v in tiny.state_dict().items()}
    keys.fill(tiny, weights, "file")
    assert all(torch.equal(v, weights[k]) for k, v in tiny.state_dict().items())
    assert not tiny.training
    assert not any(one.requires_grad for one in tiny.parameters())


def test_foreign_weights_leave_our_paths_at_their_start(tiny):
    base = {k: v + 1 for k, v in tiny.state_dict().items() if not k.startswith(keys.OWN)}
    keys.fill(tiny, base, "file")
    own = keys.part(tiny.state_dict(), keys.OWN)
    assert all((v == 0).all() for k, v in own.items() if ".to_out" in k or "conv_out" in k)
    assert all(v.abs().sum() > 0 for k, v in own.items() if ".to_q" in k or "_in.weight" in k)
    again = UNet(TINY.denoiser)
    keys.fill(again, base, "file")
    assert all(torch.equal(v, own[k]) for k, v in keys.part(again.state_dict(), keys.OWN).items())


def spoilt(weights, how):
    first = [k for k in weights if not k.startswith(keys.OWN)][:7]
    if how == "unknown":
        return {**weights, **{f"else.{i}": torch.zeros(1) for i in range(7)}}
    if how == "missing":
        return {k: v for k, v in weights.items() if k not in first}
    if how == "partly ours":
        return {k: v for k, v in weights.items() if not k.startswith("synchrorama.emotion.")}
    if how == "shape":
        return {k: v[None] if k in first else v for k, v in weights.items()}
    return {k: v * float("nan") if k in first else v for k, v in weights.items()}


@pytest.mark.parametrize(
    ("how", "message"),
    (
        ("unknown", r"7 keys are unknown, first else\.0, else\.1, else\.2, else\.3, else\.4\."),
        ("missing", "7 keys are missing, first conv_in"),
        ("partly ours", "keys are missing, first synchrorama"),
        ("shape", "7 keys are of another shape, first conv_in"),
        ("nan", "no numbers in 7 keys, first conv_in"),
    ),
)
def test_files_that_do_not_fit_are_refused(tiny, how, message):
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    with pytest.raises(CheckpointError, match=message) as caught:
        keys.fill(tiny, spoilt(before, how), "my_file")
    assert "'my_file'" in str(caught.value)
    assert str(caught.value).count(",") <= 6  # five keys, not all
    assert all(torch.equal(v, before[k]) for k, v in tiny.state_dict().items())


def test_keys_of_no_table_are_refused():
    for way in (keys.HALLO_FILE.to_ours, keys.HALLO_FILE.to_file):
        with pytest.raises(CheckpointError, match=r"'net.pth' has 2 keys.*a.b, c.d"):
            way({"c.d": torch.zeros(1), "a.b": torch.zeros(1)}, "net.pth")


def test_a_tiny_vae_goes_to_comfyuis_names_and_back():
    """ComfyUI's TAESD: its decoder counts a clamp, so the first convolution is layer 1."""
    weights = TinyVAE(TinyVAEConfig(), device=META).state_dict()
    theirs = keys.TAESD_FILE.to_file(weights, "vae")
    assert {"taesd_encoder.0.weight", "taesd_decoder.1.weight"} <= theirs.keys()
    assert "taesd_encoder.14.bias" in theirs and "taesd_decoder.19.bias" in theirs
    assert not any(key.startswith("taesd_decoder.0.") for key in theirs)
    back = keys.TAESD_FILE.to_ours(theirs, "vae")
    assert back.keys() == weights.keys()
    assert all(back[key] is weights[key] or back[key].shape == weights[key].shape for key in back)
