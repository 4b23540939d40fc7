import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cisweep.errors import TrainingError
from cisweep.models.modules import CNN, Linear
from cisweep.train import fitting
from cisweep.train.data.datasets import TableDataset
from cisweep.train.fitting import FitConfig, fit
from cisweep.train.losses import scalar_objective

CONFIG = FitConfig(epochs=6, batch_size=16, learning_rate=0.01, progress=False, seed=3)


def data(n=200, **more):
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 4, (n, 12), dtype=np.uint8)
    # C + G reads the same on both strands.
    values = np.isin(tokens, (1, 2)).sum(axis=1, keepdims=True).astype(np.float32)
    return TableDataset(tokens, values, reverse_complement=True, **more)


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CNN(8, first_width=3, dilations=(2,), n_outputs=1, dropout=0.3)


def train(model, config=CONFIG, checkpoint=None, objective=None):
    everything = data()
    return fit(
        model,
        everything.take(np.arange(150)),
        everything.take(np.arange(150, 200)),
        objective or scalar_objective("regression"),
        config,
        checkpoint,
    )


def objective(sums):
    return replace(scalar_objective("regression"), sums=sums)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_training_learns_and_keeps_the_best_weights():
    model = Linear(12, 1)
    result = train(model, replace(CONFIG, epochs=40, schedule="constant", learning_rate=0.03))
    best = result.history[result.best_epoch - 1]
    # The values have no noise and are linear in the sequence: nothing but float32 is left, of a
    # variance of 3.
    assert best["validation_loss"] < 1e-3
    assert best["validation_pearson_low"] < best["validation_pearson"]
    held = data().take(np.arange(150, 200)).batch(np.arange(50))
    with torch.no_grad():
        guess, truth = model(held.one_hot()), held.targets["values"]
    loss = float((guess - truth).square().mean())
    assert loss == pytest.approx(best["validation_loss"], rel=1e-4)
    r = np.corrcoef(guess[:, 0], truth[:, 0])[0, 1]
    assert r == pytest.approx(best["validation_pearson"], abs=1e-5)


def test_loss_as_the_monitor_keeps_its_lowest_epoch():
    result = train(network(), replace(CONFIG, monitor="loss", learning_rate=0.1))
    losses = [row["validation_loss"] for row in result.history]
    assert result.best_epoch == result.highest_epoch == int(np.argmin(losses)) + 1
    assert result.monitor == "validation_loss"


def test_seeds_decide_and_the_global_generator_is_left_alone():
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    first, second, other = network(), network(), network()
    train(first), train(second), train(other, replace(CONFIG, seed=4))
    assert equal(first, second) and not equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
def test_interrupted_training_ends_with_the_same_weights(tmp_path, schedule):
    config = replace(CONFIG, schedule=schedule, plateau_patience=0)
    undisturbed = network()
    whole = train(undisturbed, config, tmp_path / "a.pt")
    calls = 0

    def dies(outputs, batch):
        nonlocal calls
        calls += 1
        if calls > 37:
            raise KeyboardInterrupt
        return scalar_objective("regression").sums(outputs, batch)

    broken = network()
    with pytest.raises(KeyboardInterrupt):
        train(broken, config, tmp_path / "b.pt", objective(dies))
    resumed = network()
    result = train(resumed, config, tmp_path / "b.pt")
    assert 0 < result.resumed_from < config.epochs
    assert equal(undisturbed, resumed)
    assert result.history == whole.history
    # A finished run is taken up without training again.
    again = network()
    assert train(again, config, tmp_path / "b.pt").examples == 0
    assert equal(undisturbed, again)


def test_checkpoint_of_another_config_is_refused(tmp_path):
    train(network(), CONFIG, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="c.pt: the checkpoint was written with another"):
        train(network(), replace(CONFIG, learning_rate=0.5), tmp_path / "c.pt")


@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path, caplog, cut):
    undisturbed, again = network(), network()
    train(undisturbed, CONFIG, tmp_path / "a.pt")
    train(network(), replace(CONFIG, epochs=3), tmp_path / "b.pt")
    content = bytearray((tmp_path / "b.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "b.pt").write_bytes(content[: len(content) // 2] if cut else content)
    result = train(again, CONFIG, tmp_path / "b.pt")
    assert result.resumed_from == 0 and equal(undisturbed, again)
    assert (
        "b.pt: its bytes are not those that were written; training starts from the beginning"
        in caplog.text
    )


def test_early_stopping_and_plateau():
    def no_better(outputs, batch):
        return {"loss": (outputs[0].sum() * 0 + 1.0, torch.ones(()))}

    # Without decay the weights stay, and with them the metric.
    config = replace(CONFIG, epochs=50, early_stopping=6, plateau_patience=1, weight_decay=0.0)
    result = train(network(), config, objective=objective(no_better))
    assert len(result.history) == 7 and result.best_epoch == 1
    rates = [row["learning_rate"] for row in result.history]
    assert rates[:3] == [0.01] * 3 and rates[3] == 0.005


def test_slow_progress_within_the_noise_does_not_stop_a_training():
    """Kept is the epoch of the lowest loss among those that differ by noise; patience counts from
    the highest metric."""
    generator = np.random.default_rng(0)
    state = fitting._State(None, None, None, {})
    config = replace(CONFIG, epochs=50, early_stopping=3)
    for epoch in range(1, 9):
        metric = 0.5 + 0.001 * min(epoch, 6)
        draws = (metric + generator.normal(0, 0.1, 200)).tolist()
        row = {"epoch": epoch, "validation_loss": 1.0 + epoch, "_metric": metric, "_draws": draws}
        state.history.append(row)
        assert state.choice(config).kept == 1 and not fitting._stalled(state, config)
    state.history.append(row | {"epoch": 9})
    assert fitting._stalled(state, config)


def test_gradient_clipping_bounds_a_step():
    """With plain Adam steps hide the norm, so the norm itself is looked at."""
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (self.weight * 1e6).sum().expand(len(x), 1)

    model = Watched()
    step = torch.optim.AdamW.step

    def watch(optimizer, *args, **more):
        seen.append(float(model.weight.grad.norm()))
        return step(optimizer, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", watch)
        train(model, replace(CONFIG, epochs=1, gradient_clip=0.5))
    assert max(seen) == pytest.approx(0.5, rel=1e-3)


def test_losses_that_explode_stop_with_a_mend():
    def explode(outputs, batch):
        return {"loss": (outputs[0].sum() * float("inf"), torch.ones(()))}

    with pytest.raises(TrainingError, match="in epoch 1.*lower fit.learning_rate"):
        train(network(), objective=objective(explode))


def test_unknown_monitor_lists_the_known_ones():
    with pytest.raises(TrainingError, match="fit.monitor: no monitor 'r2'.*one of metric, loss"):
        replace(CONFIG, monitor="r2")


def test_a_metric_that_validation_leaves_undefined_is_an_error_with_its_key():
    everything = data()
    flat = replace(everything.take(np.arange(20)), values=np.ones((20, 1), np.float32))
    arguments = (everything, flat, scalar_objective("regression"))
    with pytest.raises(TrainingError, match="validation_pearson is undefined.*set fit.monitor to"):
        fit(network(), *arguments, CONFIG)
    fit(network(), *arguments, replace(CONFIG, epochs=1, monitor="loss"))


SCRIPT = """
import sys, pathlib
sys.path.insert(0, {folder!r})
from test_training_fit import CONFIG, network, train
from dataclasses import replace
import torch
model = network()
train(model, replace(CONFIG, epochs=60, early_stopping=None), pathlib.Path({checkpoint!r}))
torch.save(model.state_dict(), {out!r})
"""


@pytest.mark.slow
def test_killed_process_taken_up_equals_an_undisturbed_one(tmp_path):
    """SIGKILL at a random moment, several times; then the run is finished."""
    folder = os.path.dirname(__file__)

    def script(name):
        return SCRIPT.format(
            folder=folder, checkpoint=str(tmp_path / f"{name}.ckpt"), out=str(tmp_path / name)
        )

    subprocess.run([sys.executable, "-c", script("whole")], check=True)
    generator = np.random.default_rng()
    killed = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script("killed")])
        while not (tmp_path / "killed.ckpt").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(generator.uniform(0.05, 0.6))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    subprocess.run([sys.executable, "-c", script("killed")], check=True)
    assert killed
    whole, taken_up = (torch.load(tmp_path / n, weights_only=True) for n in ("whole", "killed"))
    assert all(torch.equal(whole[k], taken_up[k]) for k in whole)
