"""Inputs and outputs that several nodes share, each with its limits in one place."""

from __future__ import annotations

from comfy_api.latest import io

from .types import EmotionSocket, MotionSocket


def number(
    name: str,
    tooltip: str,
    default: float = 1.0,
    *,
    low: float = 0.0,
    high: float = 2.0,
    step: float = 0.05,
    optional: bool = False,
) -> io.Float.Input:
    """A number; without limits a dial from 0 to 2, where 1 leaves things as they are."""
    return io.Float.Input(
        name, default=default, min=low, max=high, step=step, optional=optional, tooltip=tooltip
    )


def fps_input(
    tooltip: str = "Frames a second of the video, 8 to 60. Use the same value everywhere.",
) -> io.Float.Input:
    """Frames a second of the video."""
    return number("fps", tooltip, 25.0, low=8.0, high=60.0, step=0.001)


def seed_input(name: str, tooltip: str, control_after_generate: bool | None = None) -> io.Int.Input:
    """A seed, of as many bits as other nodes take."""
    return io.Int.Input(
        name,
        default=0,
        min=0,
        max=0xFFFFFFFFFFFFFFFF,
        control_after_generate=control_after_generate,
        tooltip=tooltip,
    )


def plot_size(height: int = 768, least: int = 160) -> list[io.Int.Input]:
    """Width and height of a picture with curves."""
    return [
        io.Int.Input(
            "width",
            default=1024,
            min=256,
            max=4096,
            tooltip="Width of the picture in pixels. Wider shows more of each second.",
        ),
        io.Int.Input(
            "height",
            default=height,
            min=least,
            max=4096,
            tooltip="Height of the picture in pixels. Taller spreads the curves apart.",
        ),
    ]


def plot_output(tooltip: str = "The curves as a picture.") -> io.Image.Output:
    """The picture."""
    return io.Image.Output("plot", display_name="plot", tooltip=tooltip)


def report_output(tooltip: str) -> io.String.Output:
    """What a node tells in words."""
    return io.String.Output("report", display_name="report", tooltip=tooltip)


def motion_output(tooltip: str) -> io.Output:
    """The motion that a node makes."""
    return MotionSocket.Output("motion", display_name="motion", tooltip=tooltip)


def emotion_output(tooltip: str = "What is felt, frame by frame.") -> io.Output:
    """The emotion that a node estimates."""
    return EmotionSocket.Output("emotion", display_name="emotion", tooltip=tooltip)
