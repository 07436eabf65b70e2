"""Losses: adversarial ones between two networks, and distances between two sets of images."""
