"""One package for each stage of a run."""
