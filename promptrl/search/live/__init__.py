"""Classical reinforcement learning on the live model: every step is an evaluation."""
