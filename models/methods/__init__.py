"""Training methods, one file each: the networks to train, their losses, and the order of the steps."""
