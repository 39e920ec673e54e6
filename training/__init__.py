"""How the shipped weights and data were made."""
