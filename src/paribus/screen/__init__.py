"""What a person sees in a terminal; `console` prints, the others say what."""
