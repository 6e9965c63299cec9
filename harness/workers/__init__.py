"""Workers' processes: started, listened to, watched and ended."""
