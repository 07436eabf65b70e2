"""Meta-learning on parameter dictionaries: inner loop, update rules, meta-gradients and task parallelism."""
