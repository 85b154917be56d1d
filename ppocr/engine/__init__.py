"""What surrounds the training loop: devices, checkpoints, evaluation, logging; each a hook or a small function."""
