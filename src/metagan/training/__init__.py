"""Training loops on Lightning: embedders, the meta-trained GAN and the joint GAN."""
