"""The reference: five notebooks, A to E, what they printed and what they concluded."""
