"""Training progress against the plainest model of it: a list of all batches."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.progress import Progress


def train(progress, batch_size, stop_at=None, freq=None):
    """Run the loop of a training; return (epoch, batch, images_seen) of every batch, and what was due."""
    batches, due = [], []
    for epoch in progress.epochs():
        per_epoch = progress.images_per_epoch // batch_size
        for batch in range(progress.batches_done(batch_size), per_epoch):
            progress.advance(batch_size)
            batches.append((epoch, batch, progress.images_seen))
            if freq and progress.due(freq):
                due.append(progress.images_seen)
            if progress.images_seen == stop_at:
                return batches, due
    return batches, due


sizes = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))


@given(sizes)
def test_visits_every_batch_of_every_epoch_once(size):
    epochs, batches, batch_size = size
    visited, _ = train(Progress(epochs, batches * batch_size), batch_size)
    places = [(epoch, batch) for epoch in range(1, epochs + 1) for batch in range(batches)]
    assert visited == [(*place, batch_size * (i + 1)) for i, place in enumerate(places)]


@given(sizes, st.data())
def test_an_interrupted_training_goes_on_with_the_next_batch(size, data):
    epochs, batches, batch_size = size
    whole, _ = train(Progress(epochs, batches * batch_size), batch_size)
    stop_at = data.draw(st.sampled_from(whole))[2]
    first = Progress(epochs, batches * batch_size)
    visited, _ = train(first, batch_size, stop_at=stop_at)
    second = Progress(epochs, batches * batch_size)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert visited + train(second, batch_size)[0] == whole


@given(sizes, st.integers(1, 30))
def test_due_once_for_every_multiple_as_published(size, freq):
    epochs, batches, batch_size = size
    _, due = train(Progress(epochs, batches * batch_size), batch_size, freq=freq)
    totals = range(batch_size, epochs * batches * batch_size + 1, batch_size)
    assert due == [total for total in totals if total % freq < batch_size]


def test_a_finished_epoch_is_stored_as_the_start_of_the_next():
    progress = Progress(epochs=2, images_per_epoch=4)
    progress.advance(2)
    assert progress.state_dict() == {"epoch": 1, "images_this_epoch": 2, "images_seen": 2}
    assert not progress.epoch_finished
    progress.advance(2)
    assert progress.epoch_finished
    assert progress.state_dict() == {"epoch": 2, "images_this_epoch": 0, "images_seen": 4}
    assert (progress.epoch, progress.images_this_epoch) == (1, 4)  # what a log line of this batch says


def test_nothing_is_due_before_the_first_batch():
    progress = Progress(epochs=3, images_per_epoch=100, epoch=2, images_seen=100)
    assert not progress.due(100)
    progress.advance(1)
    assert not progress.due(100)


def test_a_finished_training_has_no_epochs_left():
    assert list(Progress(epochs=3, images_per_epoch=4, epoch=4, images_seen=12).epochs()) == []


@given(st.integers(6, 40), st.integers(1, 6), st.integers(1, 6), st.data())
def test_a_new_batch_size_skips_nothing_and_ends_every_epoch(images, old, new, data):
    state = Progress(3, images // old * old)
    for _ in range(data.draw(st.integers(0, images // old))):
        state.advance(old)
    done = state.state_dict()
    resumed = Progress(3, images // new * new, **done)
    start = resumed.epoch, resumed.batches_done(new)
    visited, _ = train(resumed, new)
    assert [place[:2] for place in visited] == [
        (epoch, batch)
        for epoch in range(start[0], 4)
        for batch in range(start[1] if epoch == start[0] else 0, images // new)
    ]
    if start[0] == done["epoch"]:
        assert start[1] * new <= done["images_this_epoch"]  # no image is left out
    else:
        assert done["images_this_epoch"] >= images // new * new


def test_an_epoch_cut_short_is_a_bug():
    progress = Progress(epochs=2, images_per_epoch=4)
    with pytest.raises(AssertionError, match="epoch 1 ended after 2 images"):
        for _ in progress.epochs():
            progress.advance(2)


def test_the_first_batch_and_the_very_last_one_are_edges():
    progress = Progress(epochs=2, images_per_epoch=6)
    edges = []
    for _ in progress.epochs():
        for _ in range(3):
            progress.advance(2)
            edges.append(progress.at_edge)
    assert edges == [True, False, False, False, False, True]


def test_the_first_batch_after_a_resume_is_an_edge():
    progress = Progress(epochs=9, images_per_epoch=6, images_this_epoch=2, images_seen=2)
    progress.advance(2)
    assert progress.at_edge
