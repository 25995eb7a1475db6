"""promptrl: make a prompt measurably better by reinforcement learning, with proof."""

__version__ = "0.1.0"
