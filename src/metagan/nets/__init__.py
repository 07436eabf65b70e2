"""Network architectures. Plain `torch.nn` modules without batch statistics in buffers."""
