"""The recipe of the encoder goal: batches as intended, and weights that the package reads as they were trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from goalspace.encoders import low_rank
from goalspace.encoders.goal import NOT_RELEVANT, GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.vectors.geometry import normalize
from recipes.goal import train as recipe
from recipes.goal.batches import Sampler
from recipes.goal.corpus import Domain, Text, read_bank, read_domains, split

DOMAINS = split(read_domains()).train[:6]


def test_batches_pair_domains_and_hold_texts_under_several_goals():
    bank = read_bank()
    sampler = Sampler(DOMAINS, bank, seed=1)
    annotated = {text.text: text.properties for domain in DOMAINS for text in domain.texts}
    words: dict[str, set[str]] = {}
    for entry in bank.values():
        for names in entry.properties:
            words.setdefault(names[0], set()).update(names)
    for _ in range(5):
        batch = sampler.draw(n_domains=2, n_goals=3)
        groups = {item.group for item in batch.items}
        assert len({domain for domain, _ in groups}) == 2
        under: dict[int, set[str]] = {}
        for item in batch.items:
            properties = annotated[batch.texts[item.row]]
            assert item.properties == set(properties[item.group[1]] or [NOT_RELEVANT])
            assert set(batch.properties) >= {name for names in properties.values() for name in names}
            under.setdefault(item.row, set()).add(item.group[1])
        assert max(map(len, under.values())) == 3
        assert set(batch.properties) >= {NOT_RELEVANT, *sampler.always}
        for name, shown in zip(batch.properties, batch.shown, strict=True):
            assert shown in {name} | words.get(name, set())


def test_a_domain_is_paired_with_one_that_shares_an_aspect():
    shared, lone = "emotion", "plot"
    texts = [
        Text("Hello.", {shared: ["glad"], lone: []}),
        Text("Oh no.", {shared: ["sad"], lone: ["a storm"]}),
    ]
    both = [
        Domain(
            name,
            {shared: ["feeling"]},
            [Text(text.text + name, {shared: text.properties[shared]}) for text in texts],
        )
        for name in "ab"
    ]
    other = Domain(
        "c", {lone: ["what happens"]}, [Text(text.text, {lone: text.properties[lone]}) for text in texts]
    )
    sampler = Sampler([*both, other], {}, seed=0)
    drawn = [{item.group[0] for item in sampler.draw(n_domains=2, n_goals=1).items} for _ in range(20)]
    assert {"a", "b"} in drawn  # "c" shares no aspect, so it is paired with whatever comes next


def own_part(vectors: np.ndarray) -> np.ndarray:
    """Return the encoder's own vectors, without what stands beside them."""
    return normalize(vectors[:, : MiniLM.dim])


def test_training_lowers_the_loss_and_the_package_reads_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "DOMAINS", 2)
    model = recipe.train(DOMAINS, read_bank(), 12, seed=0)
    batch = Sampler(DOMAINS, read_bank(), seed=2).draw(n_domains=2, n_goals=2)
    plain = torch.from_numpy(MiniLM().encode(batch.properties))
    with torch.no_grad():
        untrained, trained = (
            recipe.compute_loss(each, batch, plain).item() for each in (recipe.Model(), model)
        )
    assert trained < untrained - 1
    path = tmp_path / "own.safetensors"
    low_rank.save(recipe.extract(model, rank=384, kept=1)._replace(about={"base": "all-MiniLM-L6-v2"}), path)
    texts = [
        "Thanks!",
        "Where is it?\nI am waiting.",
        "I would like my money back, please, all of it.",
        "No.",
    ]
    goals = ["tone", "what the customer of the shop wants to get", "feeling"]
    pairs = [(3, goals[0]), (0, goals[2]), (2, goals[1]), (0, goals[1]), (1, goals[0]), (2, goals[2])]
    with torch.no_grad():
        vectors = model.embed_texts(texts, pairs).numpy()
        properties = model.embed_properties(batch.properties[:3]).numpy()
    for vector, (row, goal) in zip(vectors, pairs, strict=True):
        np.testing.assert_allclose(
            own_part(GoalEncoder(goal, path).encode([texts[row]]))[0], vector, atol=2e-3
        )
    encoder = GoalEncoder(goals[0], path)
    np.testing.assert_allclose(
        own_part(encoder.encode_properties(batch.properties[:3])), properties, atol=2e-3
    )
    assert encoder.name != GoalEncoder(goals[0]).name


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
