"""A model that writes edits: what it is told, how its answer is read, and what keeps a bad proposal out."""
