"""Faults that befall the command line while it trains, and what must hold after each of them."""
