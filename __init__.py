"""SynchroRaMa for ComfyUI: one portrait and speech become a talking-face video."""

import logging

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint() -> object:
    """The extension that ComfyUI asks for.

    Nothing is imported before it asks, so that importing the pack costs nothing and a test runner
    may import it without ComfyUI. ComfyUI logs a failure here without its traceback, so it is
    logged before it goes on.
    """
    try:
        from .nodes import SynchroRaMa
    except Exception:
        logging.getLogger(__name__).exception("SynchroRaMa could not be loaded.")
        raise
    return SynchroRaMa()
