"""Where results go beside the report's own files: experiment trackers, a static site, the Hugging Face hub."""
