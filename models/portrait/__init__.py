"""Stage 1: from a picture to a Portrait: face, landmarks, head crop, fitted head."""
