"""Trained models as MLflow models: each file is what MLflow calls a model from code, and loads state dicts alone."""
