"""A double of comfy.model_base."""

import enum

import torch

from . import conds, model_sampling


class ModelType(enum.Enum):
    V_PREDICTION = 2
    FLOW = 6


class _Flow(model_sampling.ModelSamplingDiscreteFlow, model_sampling.CONST):
    pass


class BaseModel(torch.nn.Module):
    def __init__(self, model_config, model_type, device=None, unet_model=None):
        super().__init__()
        self.latent_format = model_config.latent_format
        self.manual_cast_dtype = model_config.manual_cast_dtype
        self.diffusion_model = unet_model(
            **model_config.unet_config, device=device, operations=torch.nn
        )
        self.model_sampling = _Flow(model_config)

    def get_dtype(self):
        return self.diffusion_model.dtype

    def process_latent_in(self, latent):
        return self.latent_format.process_in(latent)

    def extra_conds(self, **kwargs):
        return {"c_crossattn": conds.CONDRegular(kwargs["cross_attn"])}

    def apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, **kwargs):
        times = self.model_sampling.timestep(t).float()
        options = kwargs.pop("transformer_options", {})
        said = self.diffusion_model(
            x, times, context=c_crossattn, control=control, transformer_options=options, **kwargs
        )
        return self.model_sampling.calculate_denoised(t, said, x)
