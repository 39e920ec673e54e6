"""What ComfyUI sees. The list of nodes is the pipeline's table of contents."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import host
from .emotion import (
    SynchroRaMaEmotionFromSpeech,
    SynchroRaMaEmotionFromText,
    SynchroRaMaEmotionValenceArousal,
)
from .emotion_direct import (
    SynchroRaMaEmotionDirect,
    SynchroRaMaEmotionFuse,
    SynchroRaMaEmotionPlot,
)
from .motion import SynchroRaMaMotionFrames, SynchroRaMaMotionFromAudio, SynchroRaMaMotionPlot
from .motion_files import (
    SynchroRaMaMotionActionUnits,
    SynchroRaMaMotionFromVideo,
    SynchroRaMaMotionLoad,
    SynchroRaMaMotionSave,
)
from .motion_material import (
    SynchroRaMaMotionAdjust,
    SynchroRaMaMotionMix,
    SynchroRaMaMotionTakes,
)
from .portrait import SynchroRaMaPortraitPrepare
from .render import (
    SynchroRaMaRenderApply,
    SynchroRaMaRenderCondition,
    SynchroRaMaRenderLoad,
)
from .render_clip import SynchroRaMaRender
from .scene import SynchroRaMaSceneDescribe, SynchroRaMaSceneSchedule
from .scene_language import (
    SynchroRaMaSceneInstructions,
    SynchroRaMaSceneLoadLLM,
    SynchroRaMaSceneParse,
)
from .video import SynchroRaMaVideoCombine

NODES: tuple[type[io.ComfyNode], ...] = (
    SynchroRaMaPortraitPrepare,
    SynchroRaMaEmotionFromText,
    SynchroRaMaEmotionFromSpeech,
    SynchroRaMaEmotionValenceArousal,
    SynchroRaMaEmotionFuse,
    SynchroRaMaEmotionDirect,
    SynchroRaMaEmotionPlot,
    SynchroRaMaSceneLoadLLM,
    SynchroRaMaSceneDescribe,
    SynchroRaMaSceneInstructions,
    SynchroRaMaSceneParse,
    SynchroRaMaSceneSchedule,
    SynchroRaMaMotionFromAudio,
    SynchroRaMaMotionTakes,
    SynchroRaMaMotionFromVideo,
    SynchroRaMaMotionLoad,
    SynchroRaMaMotionAdjust,
    SynchroRaMaMotionMix,
    SynchroRaMaMotionSave,
    SynchroRaMaMotionFrames,
    SynchroRaMaMotionPlot,
    SynchroRaMaMotionActionUnits,
    SynchroRaMaRenderLoad,
    SynchroRaMaRender,
    SynchroRaMaRenderCondition,
    SynchroRaMaRenderApply,
    SynchroRaMaVideoCombine,
)


class SynchroRaMa(ComfyExtension):
    """The extension."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes, in the order of the pipeline."""
        host.register_folder()
        return list(NODES)
