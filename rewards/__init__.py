"""Stage *rewards*: reward models score image-prompt pairs, one cell per image and metric."""
