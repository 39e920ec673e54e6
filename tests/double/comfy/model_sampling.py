"""A double of comfy.model_sampling: rectified flow without a shift."""

import torch


class CONST:
    def calculate_input(self, sigma, noise):
        return noise

    def calculate_denoised(self, sigma, model_output, model_input):
        return model_input - model_output * sigma[:, None, None, None]

    def noise_scaling(self, sigma, noise, latent_image, max_denoise=False):
        return sigma * noise + (1.0 - sigma) * latent_image


class ModelSamplingDiscreteFlow(torch.nn.Module):
    def __init__(self, model_config=None):
        super().__init__()
        self.register_buffer("sigmas", torch.arange(1, 1001) / 1000)

    def timestep(self, sigma):
        return sigma * 1000
