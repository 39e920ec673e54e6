"""Doubles of the core nodes that the workflows use, with the inputs they have in ComfyUI."""

from __future__ import annotations

import av
import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image


class LoadImage(io.ComfyNode):
    INPUT = None  # the folder with the files, set by the executor

    @classmethod
    def define_schema(cls):
        outputs = [io.Image.Output(), io.Mask.Output()]
        return io.Schema("LoadImage", inputs=[io.String.Input("image")], outputs=outputs)

    @classmethod
    def execute(cls, image):
        with Image.open(cls.INPUT / image) as file:
            pixels = torch.from_numpy(np.array(file.convert("RGB"))) / 255.0
        return io.NodeOutput(pixels[None], torch.zeros(1, *pixels.shape[:2]))


class LoadAudio(io.ComfyNode):
    INPUT = None
    SECONDS = 0.3  # the rest is cut off, to be quick

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "LoadAudio", inputs=[io.String.Input("audio")], outputs=[io.Audio.Output()]
        )

    @classmethod
    def execute(cls, audio):
        with av.open(str(cls.INPUT / audio)) as file:
            rate = file.streams.audio[0].rate
            blocks = [frame.to_ndarray() for frame in file.decode(audio=0)]
        samples = torch.from_numpy(np.concatenate(blocks, 1)).float() / 32768.0
        short = samples[None, :, : int(cls.SECONDS * rate)]
        return io.NodeOutput({"waveform": short, "sample_rate": rate})


class LoadVideo(io.ComfyNode):
    INPUT = None
    FRAMES = 8  # the rest is cut off, to be quick

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "LoadVideo", inputs=[io.String.Input("file")], outputs=[io.Video.Output("video")]
        )

    @classmethod
    def execute(cls, file):
        with av.open(str(cls.INPUT / file)) as video:
            fps = float(video.streams.video[0].average_rate)
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        with av.open(str(cls.INPUT / file)) as video:
            rate = video.streams.audio[0].rate
            blocks = [frame.to_ndarray() for frame in video.decode(audio=0)]
        images = torch.from_numpy(np.stack(frames[: cls.FRAMES])).float() / 255.0
        samples = torch.from_numpy(np.concatenate(blocks, 1)).float()
        short = samples[None, :, : int(cls.FRAMES / fps * rate)]
        audio = {"waveform": short, "sample_rate": rate}
        return io.NodeOutput({"images": images, "fps": fps, "audio": audio})


class GetVideoComponents(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        outputs = [io.Image.Output("images"), io.Audio.Output("audio"), io.Float.Output("fps")]
        return io.Schema("GetVideoComponents", inputs=[io.Video.Input("video")], outputs=outputs)

    @classmethod
    def execute(cls, video):
        return io.NodeOutput(video["images"], video["audio"], video["fps"])


class CreateVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            "CreateVideo",
            inputs=[
                io.Image.Input("images"),
                io.Float.Input("fps", min=1.0, max=120.0),
                io.Audio.Input("audio", optional=True),
            ],
            outputs=[io.Video.Output("video")],
        )

    @classmethod
    def execute(cls, images, fps, audio=None):
        return io.NodeOutput({"images": images, "fps": fps, "audio": audio})


class SaveVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Video.Input("video")]
        inputs += [io.String.Input(name) for name in ("filename_prefix", "format", "codec")]
        return io.Schema("SaveVideo", inputs=inputs, is_output_node=True)

    @classmethod
    def execute(cls, video, filename_prefix, format, codec):
        return io.NodeOutput(video)


class PreviewImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Image.Input("images")]
        return io.Schema("PreviewImage", inputs=inputs, is_output_node=True)

    @classmethod
    def execute(cls, images):
        return io.NodeOutput(images)


class PrimitiveStringMultiline(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            "PrimitiveStringMultiline",
            inputs=[io.String.Input("value", multiline=True)],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, value):
        return io.NodeOutput(value)


class PreviewAny(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Custom("*").Input("source")]
        return io.Schema("PreviewAny", inputs=inputs, is_output_node=True)

    @classmethod
    def execute(cls, source):
        return io.NodeOutput(source)


class CLIPLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = ("clip_name", "type", "device")
        return io.Schema(
            "CLIPLoader",
            inputs=[io.String.Input(name) for name in names],
            outputs=[io.Custom("CLIP").Output()],
        )

    @classmethod
    def execute(cls, clip_name, type, device):
        return io.NodeOutput(clip_name)


class CLIPTextEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            "CLIPTextEncode",
            inputs=[io.String.Input("text", multiline=True), io.Custom("CLIP").Input("clip")],
            outputs=[io.Custom("CONDITIONING").Output()],
        )

    @classmethod
    def execute(cls, text, clip):
        return io.NodeOutput([[text, {"clip": clip}]])


class KSampler(io.ComfyNode):
    """Euler's method on the schedule "simple", without cfg."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "KSampler",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input("seed"),
                io.Int.Input("steps", min=1, max=10000),
                io.Float.Input("cfg"),
                io.Combo.Input("sampler_name"),
                io.Combo.Input("scheduler"),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Latent.Input("latent_image"),
                io.Float.Input("denoise", min=0.0, max=1.0),
            ],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(
        cls,
        model,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        latent_image,
        denoise,
    ):
        inner, start = model.model, latent_image["samples"]
        noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
        ((tokens, options),) = positive
        given = inner.extra_conds(noise=noise, cross_attn=tokens, **options)
        given = {key: value.cond for key, value in given.items()}
        levels = inner.model_sampling.sigmas
        count = steps if denoise > 0.9999 else int(steps / denoise)
        sigmas = [levels[-1 - int(i * len(levels) / count)] for i in range(count)][-steps:]
        sigmas = torch.stack([*sigmas, torch.tensor(0.0)])
        x = inner.model_sampling.noise_scaling(sigmas[0], noise, start)
        for now, then in zip(sigmas, sigmas[1:], strict=False):
            here = now.expand(len(x))
            told = {"sample_sigmas": sigmas, "sigmas": here, "cond_or_uncond": [0]}
            said = inner.apply_model(x, here, transformer_options=told, **given)
            x = x + (x - said) / now * (then - now)
        return io.NodeOutput({**latent_image, "samples": x})


class VAEDecode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Latent.Input("samples"), io.Vae.Input("vae")]
        return io.Schema("VAEDecode", inputs=inputs, outputs=[io.Image.Output()])

    @classmethod
    def execute(cls, samples, vae):
        return io.NodeOutput(vae.decode(samples["samples"]))


NODES = (
    KSampler,
    VAEDecode,
    CLIPLoader,
    CLIPTextEncode,
    LoadImage,
    LoadAudio,
    LoadVideo,
    GetVideoComponents,
    CreateVideo,
    SaveVideo,
    PreviewImage,
    PrimitiveStringMultiline,
    PreviewAny,
)
