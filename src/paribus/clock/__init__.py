"""Measuring time: what else the machine did meanwhile, and what it takes to trust a number."""
