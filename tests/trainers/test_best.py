"""Which networks are kept as the best."""

from evaluation.scores import SCORES
from options.train import DECIDING_SCORES
from trainers.best import BestScore


def test_the_first_score_that_is_measured_decides():
    best = BestScore({name: SCORES[name].better for name in DECIDING_SCORES})
    assert best.beaten_by({"random_feature_distance": 3.0, "miou": 0.2})
    assert best.name == "miou"
    assert not best.beaten_by({"random_feature_distance": 1.0, "miou": 0.1})
    assert not best.beaten_by({"random_feature_distance": 1.0, "miou": 0.2}), "as good is not better"
    assert best.beaten_by({"random_feature_distance": 9.0, "miou": 0.3})


def test_of_distances_the_smaller_is_better_and_a_resumed_run_remembers():
    best = BestScore({"fid": min})
    assert best.beaten_by({"fid": 40.0})
    resumed = BestScore({"fid": min})
    resumed.load_state_dict(best.state_dict())
    assert not resumed.beaten_by({"fid": 41.0})
    assert resumed.beaten_by({"fid": 39.0})
    assert not resumed.beaten_by({"accuracy": 1.0}), "nothing to judge by"
