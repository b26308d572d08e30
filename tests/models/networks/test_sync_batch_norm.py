"""`SyncBatchNorm` borrows the forward of torch's class of that name on GPUs: it must have all that this asks of itself.

What it computes, on CPUs, is compared with one process in tests/trainers/test_processes.py.
"""

import ast
import inspect
import textwrap

from torch import nn

from models.networks.sync_batch_norm import SyncBatchNorm


def test_every_attribute_that_the_borrowed_forward_uses_is_there():
    source = ast.parse(textwrap.dedent(inspect.getsource(nn.SyncBatchNorm.forward)))
    used = {
        node.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    ours, theirs = SyncBatchNorm(3), nn.SyncBatchNorm(3)
    assert {"running_mean", "process_group", "momentum"} < used
    assert {name for name in used if not hasattr(ours, name)} == set()
    assert theirs.process_group is ours.process_group is None  # all processes


def test_names_and_settings_are_those_of_torch():
    ours, theirs = SyncBatchNorm(3), nn.SyncBatchNorm(3)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name in ("eps", "momentum", "affine", "track_running_stats", "num_features"):
        assert getattr(ours, name) == getattr(theirs, name), name
