"""Stage 4: from speech to Motion, and from Motion to motion frames."""
