"""Prompts on examples: what they answered and how good that was."""
