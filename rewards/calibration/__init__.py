"""Do this machine's libraries and weights still give the numbers they gave? Fixed pairs against stored values."""
