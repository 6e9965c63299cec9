"""What a command decides before any stage works: runs opened, checkpoints chosen, costs, and looks back."""
