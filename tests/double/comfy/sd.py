"""A double of comfy.sd: a VAE around any network."""

import torch


class VAE:
    def __init__(self, sd=None, device=None, config=None, dtype=None, metadata=None):
        self.first_stage_model = None
        self.device = torch.device("cpu")

    def encode(self, pixel_samples):
        return self.first_stage_model.encode(self.process_input(pixel_samples.movedim(-1, 1)))

    def decode(self, samples_in, vae_options=None):
        return self.process_output(self.first_stage_model.decode(samples_in)).movedim(1, -1)
