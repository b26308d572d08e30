"""The pool of earlier fakes: what the discriminator gets, and that a restored pool goes on the same way."""

import torch

from models.methods.fake_pool import FakePool
from models.networks.layout import SemanticLayout


def batch(*numbers):
    """Label maps and images of 1x1 that all hold their number."""
    ids = torch.tensor(numbers)[:, None, None]
    return SemanticLayout(ids, ids > 2, num_labels=1000), ids[:, None].expand(-1, 3, -1, -1).float()


def exchange(pool, *numbers):
    """The numbers of the images that the pool returns for new ones; image, label and edge must belong together."""
    layout, fake = pool.exchange(*batch(*numbers))
    returned = layout.labels[:, 0, 0].tolist()
    assert torch.equal(fake, batch(*returned)[1])
    assert layout.edges is not None and torch.equal(layout.edges, layout.labels > 2)
    return returned


def test_without_size_every_image_passes():
    layout, fake = batch(1, 2)
    returned = FakePool(0).exchange(layout, fake)
    assert returned[0] is layout and returned[1] is fake


def test_images_pass_until_the_pool_is_full_then_half_of_them_are_exchanged():
    torch.manual_seed(0)
    pool, inside, exchanged = FakePool(3), {1, 2, 3}, 0
    assert exchange(pool, 1, 2) == [1, 2]
    assert exchange(pool, 3) == [3]
    for new in range(4, 204):
        (old,) = exchange(pool, new)
        if old != new:
            exchanged += 1
            inside = inside - {old} | {new}
            assert old < new
        assert {int(sample["labels"]) for sample in pool.samples} == inside
    assert 80 < exchanged < 120


def test_the_samples_of_a_batch_enter_one_after_another():
    torch.manual_seed(3)
    pool = FakePool(1)
    exchange(pool, 0)
    returned = exchange(pool, *range(1, 12))
    # Each new image may already get the one that an earlier image of this batch has left there.
    assert any(0 < old < new for new, old in enumerate(returned, 1))


def test_a_restored_pool_returns_the_same_images():
    torch.manual_seed(0)
    pool = FakePool(4)
    for new in range(10):
        exchange(pool, new)
    state, random_state = pool.state_dict(), torch.get_rng_state()
    first = [exchange(pool, new) for new in range(10, 30)]
    other = FakePool(4)
    other.load_state_dict(state)
    torch.set_rng_state(random_state)
    assert [exchange(other, new) for new in range(10, 30)] == first


def test_a_smaller_pool_takes_what_fits():
    pool, smaller = FakePool(4), FakePool(2)
    exchange(pool, 1, 2, 3, 4)
    smaller.load_state_dict(pool.state_dict())
    assert [int(sample["labels"]) for sample in smaller.samples] == [1, 2]
