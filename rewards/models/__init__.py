"""Networks and their strict loading; imported only where torch is."""
