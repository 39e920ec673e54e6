"""A double of comfy.model_patcher."""

import copy


class ModelPatcher:
    def __init__(self, model, load_device, offload_device, size=0):
        self.model, self.load_device, self.offload_device = model, load_device, offload_device
        self.size = size
        self.model_options = {"transformer_options": {}}

    def clone(self):
        return copy.copy(self)
