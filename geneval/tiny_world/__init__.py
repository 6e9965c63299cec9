"""Small stand-ins with random weights for the detector and for OpenAI's CLIP: ``python -m geneval.tiny_world FOLDER``.

They have every component of the real models, so that the real loading code runs on them; what they say about an image
means nothing.
"""
