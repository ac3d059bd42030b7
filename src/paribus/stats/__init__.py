"""Statistics on plain arrays: NumPy in, numbers out."""
