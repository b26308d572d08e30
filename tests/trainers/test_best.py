"""Which networks are kept as the best."""

from evaluation.scores import SCORES
from options.train import DECIDING_SCORES
from trainers.best import BestScore


def test_the_first_score_that_is_measured_decides():
    best = BestScore({name: SCORES[name].better for name in DECIDING_SCORES})
    assert best.update({"random_feature_distance": 3.0, "miou": 0.2})
    assert best.name == "miou"
    assert not best.update({"random_feature_distance": 1.0, "miou": 0.1})
    assert not best.update({"random_feature_distance": 1.0, "miou": 0.2}), "as good is not better"
    assert best.update({"random_feature_distance": 9.0, "miou": 0.3})


def test_of_distances_the_smaller_is_better_and_a_resumed_run_remembers():
    best = BestScore({"fid": min})
    assert best.update({"fid": 40.0})
    resumed = BestScore({"fid": min})
    resumed.load_state_dict(best.state_dict())
    assert not resumed.update({"fid": 41.0})
    assert resumed.update({"fid": 39.0})
    assert not resumed.update({"accuracy": 1.0}), "no score that may decide"


def test_which_generator_was_the_best_is_remembered_and_forgotten_with_another_protocol():
    best = BestScore({"fid": min})
    assert not best.use_protocol("a protocol")
    assert best.update({"fid": 40.0}, epoch=2, generator="raw")
    assert not best.update({"fid": 41.0}, epoch=3, generator="average")
    resumed = BestScore({"fid": min})
    resumed.load_state_dict(best.state_dict())
    assert resumed.place == {"epoch": 2, "generator": "raw"}
    assert not resumed.use_protocol("a protocol")
    assert not resumed.update({"fid": 50.0})
    assert resumed.use_protocol("other label maps"), "values of two protocols do not compare"
    assert resumed.update({"fid": 50.0})


def test_a_save_of_an_earlier_version_goes_on():
    best = BestScore({"fid": min})
    best.load_state_dict({"name": "fid", "value": 40.0})
    assert not best.use_protocol("a protocol") and not best.update({"fid": 41.0})
