"""The kinds of edit: what each does to a prompt, and when it may be taken."""
