"""The kinds of model that can run a prompt: one file a kind, each a ``Target``."""
