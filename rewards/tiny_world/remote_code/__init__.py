"""Source of the stand-in for jina-clip-v2's code on the hub; copied into repositories, never run from here in use."""
