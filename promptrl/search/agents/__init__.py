"""Stable-Baselines3 agents and their policy network."""
