"""What encoders share: torch on all cores, model folders and the hub, transformers, FFmpeg, and malloc's settings.

Imports ``vicinal.errors`` alone, and heavy packages only inside functions.
"""
