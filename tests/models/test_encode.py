"""Video files: read back with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from synchrorama.models.media import read_audio
from synchrorama.models.speech import frame_count
from synchrorama.models.video.encode import write_video, yuv420


def speech(seconds: float, sample_rate: int, channels: int = 1) -> torch.Tensor:
    """Noise that comes and goes, [C, S]."""
    generator = torch.Generator().manual_seed(3)
    samples = torch.rand(channels, round(seconds * sample_rate), generator=generator) - 0.5
    envelope = torch.sin(torch.arange(samples.shape[1]) / sample_rate * 9) ** 2
    return samples * envelope


def pictures(count: int, height: int = 48, width: int = 64):
    for index in range(count):
        yield torch.full((1, height, width, 3), index / count)


def clear_rgb(frame: av.VideoFrame) -> torch.Tensor:
    """A yuv420p BT.709 frame in RGB, [H, W, 3] 0..1, by the standard's own formula."""
    planes = torch.from_numpy(frame.to_ndarray()).float()
    h, w = frame.height, frame.width
    y = (planes[:h] - 16) / 219
    u, v = (
        ((planes[h:].reshape(2, h // 2, w // 2) - 128) / 224)
        .repeat_interleave(2, 1)
        .repeat_interleave(2, 2)
    )
    r, b = y + 1.5748 * v, y + 1.8556 * u
    return torch.stack([r, (y - 0.2126 * r - 0.0722 * b) / 0.7152, b], -1)


@pytest.mark.parametrize("fps", [8, 23.976, 25, 29.97, 30, 60])
def test_frames_rate_and_sound_come_back(tmp_path: Path, fps: float) -> None:
    wave = speech(1.37, 16000)
    count = frame_count(wave.shape[1], 16000, fps)
    path = tmp_path / "talk.mp4"
    assert write_video(path, pictures(count), fps=fps, waveform=wave, sample_rate=16000) == count
    rates = {23.976: Fraction(24000, 1001), 29.97: Fraction(30000, 1001)}
    with av.open(str(path)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.average_rate == rates.get(fps, Fraction(int(fps)))
        assert video.frames == count
        assert abs(float(audio.duration * audio.time_base) - 1.37) < 1 / fps
        frames = list(file.decode(video))
    assert len(frames) == count
    assert [frame.pts * frame.time_base for frame in frames] == [
        index / rates.get(fps, Fraction(int(fps))) for index in range(count)
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mp4"]


def test_sound_is_in_place(tmp_path: Path) -> None:
    wave = speech(1.5, 44100, 2)
    write_video(tmp_path / "a.mp4", pictures(38), fps=25, waveform=wave[None], sample_rate=44100)
    back, rate = read_audio(tmp_path / "a.mp4")
    assert rate == 44100
    assert back.shape[0] == 2
    assert abs(back.shape[1] - wave.shape[1]) < 44100 / 25
    part = wave[0, 10000:40000]
    scores = [float((back[0, 10000 + lag : 40000 + lag] * part).sum()) for lag in range(-60, 61)]
    assert scores.index(max(scores)) - 60 == 0


def test_odd_rates_and_silence_are_written(tmp_path: Path) -> None:
    for sample_rate in (6000, 22000, 192000):
        wave = speech(0.6, sample_rate)
        path = tmp_path / f"{sample_rate}.mp4"
        write_video(path, pictures(15), fps=25, waveform=wave, sample_rate=sample_rate)
        with av.open(str(path)) as file:
            audio = file.streams.audio[0]
            assert abs(float(audio.duration * audio.time_base) - 0.6) < 1 / 25
    write_video(tmp_path / "silent.mp4", pictures(3), fps=25)
    with av.open(str(tmp_path / "silent.mp4")) as file:
        assert not file.streams.audio
        assert file.streams.video[0].frames == 3


def test_colours_come_back_and_are_tagged(tmp_path: Path) -> None:
    colours = torch.tensor(
        [[0.9, 0.2, 0.1], [0.1, 0.8, 0.3], [0.2, 0.3, 0.9], [0.5, 0.5, 0.5], [1, 1, 1], [0, 0, 0]]
    )
    frame = colours.repeat_interleave(32, 0)[None].expand(64, -1, -1)
    write_video(tmp_path / "c.mp4", [frame[None].repeat(4, 1, 1, 1)], fps=25)
    with av.open(str(tmp_path / "c.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        decoded = clear_rgb(next(file.decode(video=0)))
    for index, colour in enumerate(colours):
        patch = decoded[8:-8, index * 32 + 8 : index * 32 + 24].mean((0, 1))
        assert (patch - colour).abs().max() < 0.01


def test_planes_of_known_colours() -> None:
    white, red = torch.ones(3, 2, 2), torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 2, 2)
    assert yuv420(white).flatten().tolist() == [235, 235, 235, 235, 128, 128]
    assert yuv420(red).flatten().tolist() == [63, 63, 63, 63, 102, 240]


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 1), (33, 64)])
def test_odd_sizes_become_even(tmp_path: Path, height: int, width: int) -> None:
    frames = torch.rand(2, height, width, 3)
    write_video(tmp_path / "o.mp4", [frames], fps=25, crf=4)
    with av.open(str(tmp_path / "o.mp4")) as file:
        frame = next(file.decode(video=0))
    assert (frame.height, frame.width) == (height + height % 2, width + width % 2)
    if height > 1:
        grey = torch.full((1, height, width, 3), 0.2)
        grey[:, -1], grey[:, :, -1] = 0.9, 0.9
        write_video(tmp_path / "p.mp4", [grey], fps=25, crf=4)
        with av.open(str(tmp_path / "p.mp4")) as file:
            decoded = clear_rgb(next(file.decode(video=0)))
        assert (decoded[-1, :-4] - 0.9).abs().max() < 0.06
        assert (decoded[:-4, : width - 4] - 0.2).abs().mean() < 0.03


def test_chunks_are_taken_one_by_one(tmp_path: Path) -> None:
    alive = []

    def chunks():
        for _ in range(5):
            chunk = torch.zeros(4, 32, 32, 3)
            alive.append(chunk)
            yield chunk
            assert len(alive) == 1
            alive.clear()

    assert write_video(tmp_path / "a.mp4", chunks(), fps=25) == 20


def test_the_index_comes_first(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", pictures(5), fps=25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_an_aborted_run_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def chunks():
        yield torch.zeros(2, 32, 32, 3)
        raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        write_video(path, chunks(), fps=25)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"old"
    write_video(path, pictures(2), fps=25)
    assert path.stat().st_size > 500


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in a folder that does not exist. Choose a file name"):
        write_video(tmp_path / "none" / "a.mp4", pictures(1), fps=25)
    with pytest.raises(OSError, match="is a folder. Choose a file name"):
        write_video(tmp_path, pictures(1), fps=25)


def test_an_unwritable_output_is_named(tmp_path: Path) -> None:
    too_long = tmp_path / ("a" * 250 + ".mp4")  # no room left for the temporary name's ending
    with pytest.raises(OSError, match="cannot be written .*Check the folder's permissions"):
        write_video(too_long, pictures(1), fps=25)


@pytest.mark.parametrize("fps", [0, 1000, float("nan")])
def test_fps_out_of_range_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(ValueError, match="'fps' is .*Use a value from 8 to 60"):
        write_video(tmp_path / "a.mp4", pictures(1), fps=fps)


def test_bad_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="'frames' is empty"):
        write_video(path, [], fps=25)
    with pytest.raises(ValueError, match=r"'frames' has shape \[1, 8, 8, 4\], needed is"):
        write_video(path, [torch.zeros(1, 8, 8, 4)], fps=25)
    with pytest.raises(ValueError, match="changed their size from 32×16 to 16×32"):
        write_video(path, [torch.zeros(1, 16, 32, 3), torch.zeros(1, 32, 16, 3)], fps=25)
    with pytest.raises(ValueError, match="'crf' is 99. Use a value from 0 to 51"):
        write_video(path, pictures(1), fps=25, crf=99)
    assert [p.name for p in tmp_path.iterdir()] == []


def test_bad_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    cases = [
        (torch.zeros(1, 0), 16000, "'audio' is empty"),
        (torch.full((1, 99), float("nan")), 16000, "not numbers"),
        (torch.zeros(2, 1, 99), 16000, r"'audio' has shape \[2, 1, 99\].*Give one clip"),
        (torch.zeros(1, 99), None, "without a sample rate"),
    ]
    for wave, sample_rate, message in cases:
        with pytest.raises(ValueError, match=message):
            write_video(path, pictures(1), fps=25, waveform=wave, sample_rate=sample_rate)
    assert [p.name for p in tmp_path.iterdir()] == []
