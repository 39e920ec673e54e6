"""Stage 2, emotion: what is felt, frame by frame."""
