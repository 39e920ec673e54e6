"""Stage 3, scene: measured facts become the words that other models are prompted with."""
