"""Stage 6: frames back into the source picture, plots, and files."""
