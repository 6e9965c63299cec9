"""Random-weight stand-ins for everything this stage loads: small, but of the real architectures and file layouts.

``python -m generation.tiny_world FOLDER`` makes FOLDER an ``HF_HOME`` that holds them under their real repository
names, and puts a Lightning checkpoint and its hub layout under FOLDER/checkpoints. Images made with them are noise.
"""
