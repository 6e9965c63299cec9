"""A stand-in for every model of this stage: random weights, small, but of the real architecture and layout.

Written as a hub cache under the real repository names, so that the real loading code runs on it. Scores computed
from it mean nothing.
"""
