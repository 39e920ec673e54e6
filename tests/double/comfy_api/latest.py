"""A double of comfy_api.latest."""

from . import io_double as io

__all__ = ["ComfyExtension", "io"]


class ComfyExtension:
    async def on_load(self):
        pass

    async def get_node_list(self):
        raise NotImplementedError
