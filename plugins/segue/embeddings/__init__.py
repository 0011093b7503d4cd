"""Training kernels, pooling and what becomes of them: arrays in, arrays out."""
