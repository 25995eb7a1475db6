"""Reinforcement learning over prompt edits: episodes, agents, the surrogate, baselines."""
