"""The pack's models in pure PyTorch, six stages: portrait, emotion, scene, motion, render, video.

Stages meet only in the types of `types.py`; nothing here imports ComfyUI.
"""
