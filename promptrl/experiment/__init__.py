"""One run in order: built from its config, searched, tested, kept and told."""
