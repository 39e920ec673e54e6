"""Stage 5: motion frames refined by latent diffusion."""
