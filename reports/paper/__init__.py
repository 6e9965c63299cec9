"""The MIRO paper (Dufour et al., arXiv 2510.25897v2): its tables and figures beside what was measured."""
