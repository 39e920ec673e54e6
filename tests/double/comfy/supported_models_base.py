"""A double of comfy.supported_models_base."""

import torch


class BASE:
    unet_extra_config = {}
    sampling_settings = {}
    supported_inference_dtypes = [torch.float32]
    manual_cast_dtype = None

    def __init__(self, unet_config):
        self.unet_config = {**unet_config, **self.unet_extra_config}

    def set_inference_dtype(self, dtype, manual_cast_dtype):
        self.unet_config["dtype"] = dtype
        self.manual_cast_dtype = manual_cast_dtype
