"""Search in a learned model of the prompt's score: the target is asked only for what comes of it."""
