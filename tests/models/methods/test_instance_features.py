"""Centers of instance features: which ones a test draws, and their file."""

import pytest
import torch

from models.methods.instance_features import FeatureCenters, InstanceFeatureModel, centers_path, fingerprint
from models.networks.pix2pixhd import FeatureEncoder, GlobalGenerator
from util.errors import InputError

# Label 0 has the centers 1, 2, 3; label 1 the center 9; label 2 none.
CENTERS = torch.tensor([[[1.0], [2.0], [3.0]], [[9.0], [0.0], [0.0]], [[0.0]] * 3])
COUNTS = torch.tensor([3, 1, 0])


def make_centers(encoder: torch.nn.Module | None = None) -> FeatureCenters:
    return FeatureCenters(CENTERS, COUNTS, fingerprint(encoder) if encoder else torch.zeros(1))


def test_each_instance_draws_a_center_of_the_label_of_most_of_its_pixels():
    regions = torch.tensor([[5, 5, 5, 70_000], [5, -1, -1, -1]])
    labels = torch.tensor([[0, 0, 0, 1], [1, 2, 2, 0]])
    seen = set()
    for index in range(30):
        (drawn,) = make_centers().draw(regions, labels, seed=1, index=index)
        assert drawn.shape == (2, 4) and len(drawn[regions == 5].unique()) == 1
        assert drawn[0, 3] == 9  # the only center
        assert (drawn[regions == -1] == 0).all()  # a label without centers
        seen.add(float(drawn[0, 0]))
    assert seen == {1, 2, 3}


def test_seed_and_index_decide_what_is_drawn():
    regions = torch.arange(40).view(5, 8)
    labels = torch.zeros(5, 8, dtype=torch.int64)

    def draw(seed, index):
        return make_centers().draw(regions, labels, seed, index)

    assert torch.equal(draw(1, 2), draw(1, 2))
    assert not torch.equal(draw(1, 2), draw(1, 3)) and not torch.equal(draw(1, 2), draw(2, 2))


def test_a_model_draws_for_each_label_map_by_its_index_in_the_data_set():
    torch.manual_seed(0)
    encoder = FeatureEncoder(1, 2, 1)
    model = InstanceFeatureModel(GlobalGenerator(3, 2, 1, 1, feat_num=1), None, encoder, 3, "labels", seed=4)
    model.centers = make_centers(encoder)
    assert "image" in model.only_for_losses
    labels = torch.randint(3, (2, 8, 8))
    with torch.no_grad():
        features = model.layout({"labels": labels, "index": torch.tensor([6, 7])}).maps["features"]
    assert torch.equal(features[1], model.centers.draw(labels[1], labels[1], seed=4, index=7))


def test_centers_of_an_encoder_that_was_trained_further_are_refused():
    encoder = FeatureEncoder(1, 2, 1)
    model = InstanceFeatureModel(
        GlobalGenerator(3, 2, 1, 1, feat_num=1), None, encoder, 3, "labels", make_centers(encoder)
    )
    with torch.no_grad():
        next(encoder.parameters()).add_(0.01)
        with pytest.raises(InputError, match=r"another encoder.*scripts\.prepare features"):
            model.layout({"labels": torch.zeros(1, 8, 8, dtype=torch.int64)})


def test_a_file_of_centers_is_read_as_it_was_written(tmp_path):
    path = centers_path(tmp_path, "latest")
    make_centers().save(path)
    assert torch.equal(FeatureCenters.read(path).centers, CENTERS)
    torch.save({"centers": CENTERS}, path)
    with pytest.raises(InputError, match="not a file of"):
        FeatureCenters.read(path)
