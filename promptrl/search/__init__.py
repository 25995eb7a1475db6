"""Reinforcement learning over prompt edits: environment, agents, search loop, finalists."""
