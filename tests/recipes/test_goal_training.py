"""The recipe of the encoder goal: batches as intended, and weights that the package reads as they were trained."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.encoders import low_rank
from goalspace.encoders.goal import GoalEncoder
from recipes.goal import train as recipe
from recipes.goal.batches import Sampler
from recipes.goal.corpus import read_bank, read_domains, split

DOMAINS = split(read_domains()).train[:6]


def test_batches_pair_domains_and_hold_texts_under_several_goals():
    sampler = Sampler(DOMAINS, read_bank(), seed=1)
    annotated = {text.text: text.properties for domain in DOMAINS for text in domain.texts}
    for _ in range(5):
        batch = sampler.draw(n_domains=2, n_goals=3)
        assert len({item.group[0] for item in batch.items}) <= 2
        under: dict[int, set[str]] = {}
        for item in batch.items:
            properties = annotated[batch.texts[item.row]]
            assert item.properties == set(properties[item.group[1]])
            assert set(batch.properties) >= {name for names in properties.values() for name in names}
            under.setdefault(item.row, set()).add(item.group[1])
        assert max(map(len, under.values())) == 3


def test_training_lowers_the_loss_and_the_package_reads_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "HEAD_BATCHES", 30)
    monkeypatch.setattr(recipe, "HEAD_DOMAINS", 4)
    monkeypatch.setattr(recipe, "DOMAINS", 2)
    model = recipe.train(DOMAINS, read_bank(), 3, seed=0)
    batch = Sampler(DOMAINS, read_bank(), seed=2).draw(n_domains=4, n_goals=3)
    untrained = recipe.Model(sorted(model.row_of))
    losses = [
        recipe.compute_loss(each, batch, each.features(batch.texts)).item() for each in (untrained, model)
    ]
    assert losses[1] < losses[0] - 1
    path = tmp_path / "own.safetensors"
    low_rank.save(recipe.extract(model, rank=384)._replace(about={"base": "all-MiniLM-L6-v2"}), path)
    item = batch.items[0]
    encoder = GoalEncoder(item.goal, path)
    text = batch.texts[item.row]
    features = model.features([text]).detach().numpy()
    np.testing.assert_allclose(encoder.features.encode([text]), features, atol=2e-3)
    goal = model.look_up([item.goal])
    ours = recipe.add_goals(recipe.read_answers(model.features([text]), goal, model.head), goal, model.head)
    np.testing.assert_allclose(encoder.encode([text]), ours.detach().numpy(), atol=5e-3)
    names = batch.properties[:3]
    moved = recipe.project_properties(model.look_up(names), model.head).detach().numpy()
    np.testing.assert_allclose(encoder.encode_properties(names), moved, atol=5e-3)
    assert GoalEncoder(item.goal, path).name != GoalEncoder(item.goal).name


def test_the_same_seed_gives_the_same_batches():
    first, second = (
        [Sampler(DOMAINS, read_bank(), seed=3).draw(n_domains=2, n_goals=2) for _ in range(2)]
        for _ in range(2)
    )
    assert first == second
    assert first[0] != Sampler(DOMAINS, read_bank(), seed=4).draw(n_domains=2, n_goals=2)


@pytest.mark.parametrize("n_goals", [1, 5])
def test_a_text_occurs_once_however_many_goals(n_goals):
    batch = Sampler(DOMAINS, read_bank(), seed=5).draw(n_domains=4, n_goals=n_goals)
    assert len(set(batch.texts)) == len(batch.texts)
    assert {item.row for item in batch.items} == set(range(len(batch.texts)))
