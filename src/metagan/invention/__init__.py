"""New classes out of a trained meta-model, checked before they are believed."""
