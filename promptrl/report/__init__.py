"""What a person reads of a run: the page, its figures and words."""
