"""fp16: gradients that overflow at a large loss scale cost their step, and nothing else."""

import pytest
import torch

from models.methods.spade import SPADEMethod
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer

TOO_LARGE = {"G": 2.0**14, "D": 2.0**22}
"""Loss scales at which gradients of these networks on this batch overflow."""


@pytest.fixture
def make_trainer(device):
    def make() -> Pix2PixTrainer:
        return Pix2PixTrainer(SPADEMethod(make_model().to(device)), precision="fp16", ema=0.5)

    return make


def scales(trainer: Pix2PixTrainer) -> dict[str, float]:
    return {player: state["scale"] for player, state in trainer.state_dict()["scalers"].items()}


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def test_steps_are_left_out_until_gradients_fit_and_a_resumed_training_keeps_the_scale(make_trainer):
    trainer, batch = make_trainer(), make_batch(2)
    state = trainer.state_dict()
    for name, scaler in state["scalers"].items():
        scaler["scale"] = TOO_LARGE[name]
    trainer.load_state_dict(state)
    networks = {"G": trainer.model.netG, "D": trainer.model.netD}
    left_out = dict.fromkeys(networks, 0)
    for _ in range(30):
        before, scale = {name: weights(network) for name, network in networks.items()}, scales(trainer)
        average = weights(trainer.average.network)
        trainer.step(batch)
        for name, network in networks.items():
            if scales(trainer)[name] == scale[name]:
                assert not torch.equal(weights(network), before[name])
            else:
                assert scales(trainer)[name] == scale[name] / 2
                assert torch.equal(weights(network), before[name])
                left_out[name] += 1
        assert torch.equal(weights(trainer.average.network), average) == (scales(trainer)["G"] < scale["G"])
        if scales(trainer) == scale:
            break
    assert scales(trainer) == {name: TOO_LARGE[name] / 2**count for name, count in left_out.items()}
    assert min(left_out.values()) >= 2 and min(scales(trainer).values()) > 1
    assert trainer.finite.skipped == 0  # no fault of the data
    assert all(torch.tensor(loss).isfinite() for loss in trainer.read_losses().values())

    resumed = make_trainer()
    resumed.model.load_state_dict(trainer.model.state_dict())
    resumed.load_state_dict(trainer.state_dict())
    assert scales(resumed) == scales(trainer)
