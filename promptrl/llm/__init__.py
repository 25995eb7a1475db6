"""Models behind promptrl: targets, the engine that calls them, its cache and its budget."""
