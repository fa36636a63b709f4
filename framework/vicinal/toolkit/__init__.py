"""What plugins share: torch on all cores, model folders and the hub, transformers, FFmpeg, malloc's settings, files of
vectors, exact neighbours, reports as pages, and what a text file says of its encoding and its delimiter.

Imports ``vicinal.errors`` alone, and heavy packages only inside functions.
"""
