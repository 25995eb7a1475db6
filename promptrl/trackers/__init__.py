"""Where the figures of a run are logged besides its folder's own files: one kind of tracker per file."""
