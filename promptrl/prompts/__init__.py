"""Prompts as values, the edits that change them, and the numbered space of edits an agent acts in."""
