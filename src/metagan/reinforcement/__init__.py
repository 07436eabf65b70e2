"""Reinforcement learning of how to adapt: problems with known answers, and an agent that learns to solve them."""
