"""The clock lane: seconds, memory and energy of one run at a time, and what they depend on."""
