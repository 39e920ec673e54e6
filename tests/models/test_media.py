"""Pictures and sound of every kind, and files that are neither."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from synchrorama.models.media import read_audio, read_image


def grid(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_sound(path: Path, samples: np.ndarray, rate: int, codec: str, form: str) -> None:
    """Encode planar or packed samples as PyAV wants them."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.format = form
        packed = samples if form.endswith("p") else samples.T.reshape(1, -1)
        size = stream.codec_context.frame_size or samples.shape[1]
        for start in range(0, samples.shape[1], size):
            channels = 1 if form.endswith("p") else samples.shape[0]
            piece = packed[:, start * channels : (start + size) * channels]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), form, layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.tiff"])
def test_colours_are_untouched(tmp_path: Path, name: str) -> None:
    pixels = grid()
    Image.fromarray(pixels).save(tmp_path / name, lossless=True)
    image = read_image(tmp_path / name)
    assert image.dtype == torch.float32
    assert image.shape == (6, 9, 3)
    assert torch.equal((image * 255).round().to(torch.uint8), torch.from_numpy(pixels))


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture_upright(tmp_path: Path, turn: int) -> None:
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:4, :8] = 255  # white at the top left of the picture as seen
    seen = Image.fromarray(pixels)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions
    stored = seen if turn == 1 else seen.transpose(Image.Transpose(undo[turn]))
    exif = Image.Exif()
    exif[0x0112] = turn
    stored.save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    assert torch.equal(image, torch.from_numpy(pixels).float() / 255)


def test_transparency_lies_over_grey(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0], pixels[0, 1] = (255, 0, 0, 255), (255, 0, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image[0, 0].tolist() == [1, 0, 0]
    assert image[0, 1].tolist() == [0.5, 0.5, 0.5]
    Image.fromarray(pixels).convert("RGB").quantize(4).save(tmp_path / "p.png", transparency=0)
    assert read_image(tmp_path / "p.png").shape == (2, 2, 3)
    Image.fromarray(pixels[..., [0, 3]]).save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png")[0, 1].tolist() == [0.5, 0.5, 0.5]


def test_grey_palette_and_16_bit(tmp_path: Path) -> None:
    grey = grid()[..., 0]
    Image.fromarray(grey).save(tmp_path / "l.png")
    image = read_image(tmp_path / "l.png")
    assert torch.equal(image[..., 0], image[..., 2])
    assert torch.allclose(image[..., 0] * 255, torch.from_numpy(grey).float())
    Image.fromarray(grid()).quantize(16).save(tmp_path / "p.gif")
    assert read_image(tmp_path / "p.gif").shape == (6, 9, 3)
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "d.png")
    found = read_image(tmp_path / "d.png")[0, :, 0]
    assert torch.allclose(found, torch.tensor([0, 257 / 65535, 32768 / 65535, 1.0]), atol=1e-6)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (4, 4), c) for c in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.gif")[0, 0].tolist() == [1, 0, 0]


def test_one_pixel_and_48_million(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "white").save(tmp_path / "1.png")
    assert read_image(tmp_path / "1.png").shape == (1, 1, 3)
    Image.new("RGB", (8000, 6000), "white").save(tmp_path / "8.png", compress_level=1)
    assert read_image(tmp_path / "8.png").shape == (6000, 8000, 3)


def test_no_picture_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist. Check the file name"):
        read_image(tmp_path / "none.png")
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(ValueError, match="not a picture that can be read. Use a PNG"):
        read_image(tmp_path / "a.png")
    Image.fromarray(grid(64, 64)).save(tmp_path / "b.png")
    data = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is damaged .* Save it again as PNG or JPEG"):
        read_image(tmp_path / "b.png")


def test_a_picture_beyond_pillow_s_limit_is_refused(tmp_path: Path, monkeypatch) -> None:
    Image.fromarray(grid(64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="is too large .* Scale it down"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 2), (3, 1), (4, 2)])
def test_whole_numbers_are_exact(tmp_path: Path, width: int, channels: int) -> None:
    full = 2 ** (8 * width - 1)
    values = np.array([-full, -full // 2, 0, 1, full // 2, full - 1] * 40)[
        : 240 // channels * channels
    ]
    data = b"".join(
        int(v + full if width == 1 else v).to_bytes(width, "little", signed=width > 1)
        for v in values
    )
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(11025)
        file.writeframes(data)
    samples, rate = read_audio(tmp_path / "a.wav")
    assert rate == 11025
    assert samples.dtype == torch.float32
    expected = (values / full).astype(np.float32).reshape(-1, channels).T
    assert torch.equal(samples, torch.from_numpy(expected))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "codec", "form", "limit"),
    [
        ("a.flac", "flac", "s16", 1e-4),
        ("a.wav", "pcm_f32le", "flt", 0),
        ("a.m4a", "aac", "fltp", 0.05),
        ("a.mp3", "libmp3lame", "fltp", 0.05),
    ],
)
def test_every_container(tmp_path, name, codec, form, limit, channels) -> None:
    time = np.arange(22050) / 22050
    tone = np.stack([0.5 * np.sin(2 * np.pi * f * time) for f in (300, 500)[:channels]])
    samples = (tone * 32767).astype(np.int16) if form == "s16" else tone.astype(np.float32)
    write_sound(tmp_path / name, samples, 22050, codec, form)
    found, rate = read_audio(tmp_path / name)
    assert rate == 22050
    assert found.shape[0] == channels
    assert abs(found.shape[1] - 22050) <= 1152
    middle = found[:, 5000:15000] - torch.from_numpy(tone[:, 5000:15000]).float()
    assert middle.abs().max() <= limit + 1e-6


def test_no_sound_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist. Check the file name"):
        read_audio(tmp_path / "none.wav")
    (tmp_path / "a.wav").write_text("hello")
    with pytest.raises(ValueError, match="cannot be read as sound .* Use a WAV"):
        read_audio(tmp_path / "a.wav")
    Image.fromarray(grid(32, 32)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="holds no sound. Use a WAV"):
        read_audio(tmp_path / "a.png")
    with wave.open(str(tmp_path / "e.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"")
    with pytest.raises(ValueError, match=r"is empty. Use a file with at least one sample"):
        read_audio(tmp_path / "e.wav")
