"""The posterior over prompt quality given all answers."""
