"""Data of SIMS: a bank of segments of training photos, retrieval from it, and canvases pasted of segments.

`components` cuts label maps, `bank` is the file of segments, `cut` makes it, `retrieval` searches it, `roles` tells
classes apart, `canvas` pastes for testing and `training` for training, `dataset` adds the maps to samples. `alignment`
moves segments and `ordering` says which of two is in front, for networks to learn from; what these decide in a test is
done to a `scene`.
"""
