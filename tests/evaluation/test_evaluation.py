"""evaluate: known scores, both settings, files that cannot be used, the verb, and the adapter for mteb."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import goalspace
from goalspace.cli import main
from goalspace.cli.evaluate import TASKS
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation import Score, evaluate
from goalspace.evaluation.metrics import auc, homogeneity, kmeans_groups, purity, silhouette, spearman
from goalspace.evaluation.mteb import MtebEncoder
from goalspace.evaluation.tasks import NAMES, Grouping, Probe, Similarity, open_task

ROOT = Path(__file__).parents[2]
GROUPING = ("evaluate", "--encoder", "minilm", "--task", "grouping", "--data")
PARAPHRASES = ROOT / "bench" / "data" / "paraphrases.jsonl"
ROWS = [
    ("Tell me a joke about cats.", "joke"),
    ("Make up a joke about dogs.", "joke"),
    ("I want to hear a joke.", "joke"),
    ("Translate this sentence to French.", "translate"),
    ("Translate the letter to German.", "translate"),
    ("Can you translate this text?", "translate"),
    ("Write a poem about the sea.", "poem"),
    ("Compose a poem on love.", "poem"),
    ("Give me a short poem.", "poem"),
]


class Letters:
    """An encoder whose vectors say how often each letter occurs: fast, and not of length 1."""

    name = "letters"
    dim = 26

    def __init__(self) -> None:
        self.calls: list[int] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(len(texts))
        alphabet = "abcdefghijklmnopqrstuvwxyz"
        counts = [[text.lower().count(letter) for letter in alphabet] for text in texts]
        return np.array(counts, dtype=np.float32).reshape(-1, 26)


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def labelled(tmp_path):
    return write_lines(tmp_path / "labelled.jsonl", [{"instruction": t, "label": c} for t, c in ROWS])


@pytest.fixture
def pairs(tmp_path):
    rows = [
        {"instruction1": a, "instruction2": b, "label": int(x == y)}
        for i, (a, x) in enumerate(ROWS)
        for b, y in ROWS[i + 1 :]
    ]
    return write_lines(tmp_path / "pairs.jsonl", rows)


# --- metrics ---------------------------------------------------------------------------------------


def test_purity_and_homogeneity_compare_groups_with_labels():
    """Splitting a class costs nothing, merging two classes does; with swapped arguments it is the reverse."""
    labels, split, merged = ["a", "a", "b", "b"], [0, 1, 2, 2], [0, 0, 0, 0]
    assert (purity(split, labels=labels), homogeneity(split, labels=labels)) == pytest.approx((1, 1))
    assert (purity(merged, labels=labels), homogeneity(merged, labels=labels)) == pytest.approx((0.5, 0))
    assert purity(labels, labels=split) == 0.75


def test_silhouette_of_far_groups_is_near_one_and_undefined_ones_are_zero():
    vectors = np.array([[0.0], [0.1], [10.0], [10.1]])
    assert silhouette(vectors, groups=[0, 0, 1, 1]) > 0.98
    assert silhouette(vectors, groups=[0, 1, 0, 1]) < 0
    assert silhouette(vectors, groups=[0, 0, 0, 0]) == silhouette(vectors, groups=[0, 1, 2, 3]) == 0.0


def test_spearman_cannot_pass_what_the_ties_of_two_labels_allow():
    labels = np.r_[np.zeros(992), np.ones(1504)]  # as in the benchmark's pairs
    share = labels.mean()
    assert spearman(np.arange(2496), labels=labels) == pytest.approx(np.sqrt(3 * share * (1 - share)))
    assert spearman(np.arange(2496), labels=labels) == pytest.approx(0.8476, abs=5e-5)
    assert spearman(-np.arange(2496), labels=labels) < -0.84
    assert spearman(np.ones(2496), labels=labels) == 0.0


def test_auc_is_the_chance_of_the_right_order():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=60).round(1), np.arange(60) % 2
    pos, neg = x[y == 1], x[y == 0]
    wins = np.mean([(p > n) + 0.5 * (p == n) for p in pos for n in neg])
    assert auc(x, labels=y) == pytest.approx(wins)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: purity([0, 1], labels=["a"]), "'groups' parameter of purity"),
        (lambda: homogeneity([], labels=[]), "'groups' parameter of homogeneity"),
        (lambda: auc([0.1, 0.2], labels=[1, 1]), "at least two labels"),
        (lambda: spearman([0.1, np.nan], labels=[0, 1]), "'similarities' parameter of spearman"),
        (lambda: kmeans_groups(np.zeros((3, 2)), n_clusters=4), "'n_clusters' parameter of kmeans_groups"),
        (lambda: kmeans_groups(np.zeros(3), n_clusters=1), "'vectors' parameter of kmeans_groups"),
        (lambda: silhouette(np.zeros((3, 2)), groups=[0, 1]), "'vectors' parameter of silhouette"),
    ],
)
def test_metrics_say_what_is_wrong(call, says):
    with pytest.raises(InputError, match=says):
        call()


# --- tasks -----------------------------------------------------------------------------------------


def test_settings_differ_in_length_of_the_vectors_and_number_of_seeds(labelled):
    vectors = Letters().encode([text for text, _ in ROWS])
    labels = [label for _, label in ROWS]
    official = open_task("instruction-clustering", labelled, setting="official").score(vectors)
    raw = KMeans(3, n_init=1, random_state=0).fit_predict(vectors)
    assert official["ARI"] == Estimate(adjusted_rand_score(labels, raw), 0.0)

    ours = open_task("instruction-clustering", labelled, seeds=4).score(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    runs = [KMeans(3, n_init=1, random_state=seed).fit_predict(unit) for seed in range(4)]
    assert ours["ARI"] == pytest.approx(Estimate.of([adjusted_rand_score(labels, run) for run in runs]))
    assert ours["purity"] == pytest.approx(Estimate.of([purity(run, labels=labels) for run in runs]))
    assert list(ours) == ["ARI", "purity", "homogeneity", "silhouette"]


def test_our_setting_does_not_see_the_length_of_vectors(labelled):
    vectors = Letters().encode([text for text, _ in ROWS])
    stretched = vectors * np.arange(1, 10)[:, None]
    task = open_task("grouping", labelled)
    # last digits differ, and with them a tie may fall the other way: not so here
    assert task.score(stretched)["NMI"] == pytest.approx(task.score(vectors)["NMI"])


def test_pairs_are_compared_by_cosine_and_each_text_is_embedded_once(pairs):
    task = open_task("intention-similarity", pairs)
    assert isinstance(task, Similarity)
    assert task.texts == tuple(text for text, _ in ROWS)
    vectors = Letters().encode(task.texts)
    found = task.score(7 * vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row = {text: i for i, text in enumerate(task.texts)}
    cosines = [float(unit[row[a]] @ unit[row[b]]) for a, b in task.pairs]
    assert found["AUC"].mean == pytest.approx(auc(cosines, labels=task.labels))
    assert found["Spearman"].mean == pytest.approx(spearman(cosines, labels=task.labels))
    assert 0 < found["AUC"].se < 0.2
    official = open_task("intention-similarity", pairs, setting="official").score(vectors)
    assert official["AUC"] == (pytest.approx(found["AUC"].mean), 0.0)


def test_bootstrap_error_is_that_of_repeated_draws():
    """Against the spread of the AUC over fresh samples of the same size."""
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(200) % 2
        return rng.normal(0.8 * labels), labels

    spread = np.std([auc(x, labels=y) for x, y in (draw() for _ in range(200))])
    x, labels = draw()
    texts = [f"text {i}" for i in range(400)]
    task = Similarity("t", tuple(zip(texts[::2], texts[1::2], strict=True)), tuple(labels.tolist()), ("AUC",))
    angles = np.arctan(x)  # cosines of pairs that are ordered as x
    first, second = np.tile([1.0, 0.0], (200, 1)), np.c_[np.sin(angles), np.cos(angles)]
    vectors = np.stack([first, second], axis=1).reshape(400, 2)
    found = task.score(vectors)["AUC"]
    assert found.mean == pytest.approx(auc(x, labels=labels))
    assert found.se == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("column", ["prompt", "text", "question", "query"])
def test_column_of_texts_is_found(tmp_path, column):
    path = write_lines(tmp_path / "t.jsonl", [{"x": 1, column: t, "label": c} for t, c in ROWS])
    assert open_task("grouping", path).texts == tuple(t for t, _ in ROWS)


def test_columns_can_be_named_and_numbers_are_labels(tmp_path):
    rows = [{"text": "no", "says": t, "intent": len(c)} for t, c in ROWS]
    task = open_task("grouping", write_lines(tmp_path / "t.jsonl", rows), text="says", label="intent")
    assert isinstance(task, Grouping)
    assert task.texts[0] == ROWS[0][0]
    assert set(task.labels) == {"4", "9"}


def test_line_separators_inside_a_text_do_not_end_its_row(tmp_path):
    rows = [{"text": f"one\u2028two\x85{t}", "label": c} for t, c in ROWS]
    assert open_task("grouping", write_lines(tmp_path / "t.jsonl", rows)).texts[0].startswith("one\u2028two")


@pytest.mark.parametrize(
    ("content", "name", "options", "says"),
    [
        ("", "grouping", {}, "is empty"),
        ("\n\n", "grouping", {}, "is empty"),
        ("text,label\na,b\n", "grouping", {}, "line 1: this is not JSON; evaluate reads JSON Lines only"),
        ('["a", "b"]\n', "grouping", {}, "line 1: write one JSON object"),
        ('{"text": "a"}\n', "grouping", {}, "line 1 has no 'label': name another column, of text"),
        ('{"a": "b", "label": 1}\n', "grouping", {}, "line 1 has no 'instruction'"),
        (
            '{"text": "a", "label": 1}\n\n{"text": null, "label": 2}\n',
            "grouping",
            {},
            "line 3: 'text' must be a string, not null",
        ),
        (
            '{"text": "a", "label": %s}\n' % ("1" * 5000),
            "grouping",
            {},
            "line 1: a number is too long",
        ),
        (
            '{"text": "a", "label": %s}\n' % ("[" * 10**5 + "]" * 10**5),
            "grouping",
            {},
            "line 1: .* nested too deeply",
        ),
        (
            '{"text": "a", "label": [1]}\n{"text": "b", "label": 2}\n',
            "grouping",
            {},
            "line 1: 'label' must be",
        ),
        (
            '{"text": "a", "label": 1}\n{"text": "b", "label": 1}\n',
            "grouping",
            {},
            "1 different label on 2 rows",
        ),
        (
            '{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n',
            "grouping",
            {},
            "2 different labels on 2 rows",
        ),
        ('{"instruction1": "a", "instruction2": "b", "label": 2}\n', "paraphrase", {}, "must hold 0 and 1"),
        (
            '{"instruction1": "a", "label": 1}\n',
            "paraphrase",
            {},
            "line 1 has no 'instruction2': the task reads instruction1, instruction2 and label",
        ),
        (
            '{"instruction1": "a", "instruction2": "b", "label": 1}\n',
            "paraphrase",
            {"text": "x"},
            "leave 'text' out",
        ),
        ('{"text": "a"}\n', "sorting", {}, "no task 'sorting'"),
        ('{"text": "a"}\n', "grouping", {"setting": "theirs"}, "no setting 'theirs'"),
        ('{"text": "a"}\n', "grouping", {"seeds": 0}, "'seeds'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, name, options, says):
    path = tmp_path / "data.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        open_task(name, path, **options)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_not_part_of_the_first_row(labelled):
    plain = open_task("grouping", labelled)
    labelled.write_bytes(b"\xef\xbb\xbf" + labelled.read_bytes())
    assert open_task("grouping", labelled) == plain


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ((19, 1), "the column 'label' has 2 different labels, the most frequent ones on 19 and 1 row"),
        ((4, 4, 4), "the column 'label' has 3 different labels, the most frequent ones on 4 and 4 rows"),
        ((5, 1, 1, 1), "needs one on at least 5 rows and another on 2"),
    ],
)
def test_cross_validation_needs_rows_and_says_so_before_anything_is_encoded(tmp_path, counts, says):
    rows = [{"text": f"{c} {i}", "label": c} for c, n in enumerate(counts) for i in range(n)]
    path = write_lines(tmp_path / "data.jsonl", rows)
    with pytest.raises(InputError, match=says) as caught:
        open_task("categorisation", path)
    assert str(path) in str(caught.value)
    assert open_task("grouping", path).size.startswith(f"{sum(counts)} texts")


def test_the_column_of_texts_is_named_where_it_was_guessed(labelled):
    assert open_task("grouping", labelled).size == "9 texts, 3 labels; texts of the column 'instruction'"
    assert open_task("grouping", labelled, text="instruction").size == "9 texts, 3 labels"


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.jsonl").write_bytes('{"text": "ä"}'.encode("latin-1"))
    for name, says in (
        ("latin.jsonl", "is not UTF-8"),
        ("none.jsonl", "No such file"),
        (".", "cannot be read"),
    ):
        with pytest.raises(InputError, match=says):
            open_task("grouping", tmp_path / name)


# --- evaluate --------------------------------------------------------------------------------------


def test_evaluate_scores_every_encoder_on_every_task_and_embeds_equal_texts_once(labelled, pairs):
    letters = Letters()
    seen: list[tuple[str, int, int]] = []
    scores = goalspace.evaluate(
        {"letters": letters, "minilm": "minilm"},
        ["instruction-clustering", open_task("grouping", labelled), "paraphrase"],
        data={"instruction-clustering": labelled, "paraphrase": pairs},
        progress=lambda *args: seen.append(args),
    )
    assert [(s.encoder, s.task) for s in scores] == [
        (encoder, task)
        for encoder in ("letters", "minilm")
        for task in ("instruction-clustering", "grouping", "paraphrase")
    ]
    assert letters.calls.count(9) == 1  # all three tasks have the same nine texts
    assert all(s.n_texts == 9 and s.seconds >= 0 and s.setting == "ours" for s in scores)
    assert ("letters: encoding for instruction-clustering", 9, 9) in seen
    assert scores[3].values["purity"].mean > 0.8  # MiniLM sees the three tasks
    assert scores[5].values["AUC"].mean > scores[2].values["AUC"].mean


def test_score_as_dict_is_json():
    score = Score("e", "t", "ours", {"ARI": Estimate(0.5, 0.1)}, 500, 2.0)
    assert score.seconds_per_1000 == 4.0
    assert json.loads(json.dumps(score.as_dict()))["values"] == {"ARI": {"mean": 0.5, "se": 0.1}}


def test_evaluate_takes_custom_tasks():
    class Length:
        name = "length"
        setting = "ours"
        texts = ("a", "aaa")

        def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
            return {"total": Estimate(float(vectors.sum()), 0.0)}

    (score,) = evaluate({"letters": Letters()}, [Length()])
    assert score.values == {"total": (4.0, 0.0)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (({}, ["grouping"]), "one encoder and one task"),
        (({"letters": Letters()}, []), "one encoder and one task"),
        (({"letters": Letters()}, ["grouping"]), "'grouping' needs data"),
        (({"x": "no-such-encoder"}, ["grouping"]), "no-such-encoder"),
        (({"letters": Letters()}, [Grouping("g", (), ())]), "must have texts"),
        ((["minilm"], ["grouping"]), "'encoders' parameter of evaluate must be a mapping.* Got list"),
        (({"letters": Letters()}, "grouping"), "'tasks' parameter of evaluate must be a list.* Got str"),
        (({"r": "run:runs/bills"}, ["grouping"]), r"give evaluate Run\.open\('runs/bills'\)\.factors"),
    ],
)
def test_evaluate_says_what_is_missing(arguments, says):
    with pytest.raises(InputError, match=says):
        evaluate(*arguments)


@pytest.mark.parametrize("task", [Grouping, Probe])
def test_custom_tasks_need_a_label_per_text(task):
    with pytest.raises(InputError, match=f"'labels' parameter of {task.__name__} must .* Got 2 for 3 texts"):
        task("mine", texts=("a", "b", "c"), labels=("a", "b"))


def test_an_encoder_that_fails_does_so_before_the_others_are_measured(labelled):
    class Broken(Letters):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            raise InputError("the endpoint is down")

    letters = Letters()
    with pytest.raises(InputError, match="the endpoint is down"):
        evaluate({"letters": letters, "broken": Broken()}, [open_task("grouping", labelled)])
    assert sum(letters.calls) < len(ROWS)


# --- the verb --------------------------------------------------------------------------------------


def test_verb_prints_a_table_and_writes_json(labelled, tmp_path):
    out = tmp_path / "scores.json"
    result = CliRunner().invoke(main, [*GROUPING, str(labelled), "--seeds", "2", "-o", str(out)])
    assert result.exit_code == 0, result.output
    for part in ("9 texts, 3 labels", "minilm", "ARI", "±", "s per 1,000", "2 seeds"):
        assert part in result.output
    (score,) = json.loads(out.read_text("utf-8"))["scores"]
    assert score["encoder"] == "minilm"
    assert score["values"]["purity"]["mean"] > 0.7
    assert f"{score['values']['purity']['mean']:.3f}" in result.output


def test_one_seed_has_no_error_to_show(labelled):
    result = CliRunner().invoke(main, [*GROUPING, str(labelled), "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert "one seed" in result.output
    assert "±" not in result.output


def test_verb_in_the_official_setting_has_no_errors_to_show(pairs):
    command = ["evaluate", "--encoder", "minilm", "--task", "intention-similarity", "--data", str(pairs)]
    result = CliRunner().invoke(main, [*command, "--setting", "official"])
    assert result.exit_code == 0, result.output
    assert "36 pairs, 9 of them" in result.output
    assert "±" not in result.output


def test_verb_refuses_a_place_that_it_cannot_write_to_before_it_measures(labelled, tmp_path):
    """The encoder is none: whoever gets to it fails otherwise."""
    command = ["evaluate", "--encoder", "no-such-encoder", "--task", "grouping", "--data", str(labelled)]
    before = labelled.read_bytes()
    link = tmp_path / "link.jsonl"
    link.symlink_to(labelled)
    for out, says in (
        (labelled, "is the input"),
        (link, "is the input"),
        (tmp_path, "is a folder: name a file"),
        (labelled / "scores.json", "cannot be written"),
        (Path("/proc/nowhere/scores.json"), "cannot be written"),
        (tmp_path / ("x" * 300), "cannot be written"),
    ):
        result = CliRunner().invoke(main, [*command, "-o", str(out)])
        assert result.exit_code == 2
        assert says in " ".join(result.output.split()), result.output
    assert labelled.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelled.jsonl", "link.jsonl"]


def test_scores_are_written_before_anything_is_printed(labelled, tmp_path, monkeypatch):
    """The reader of a pipe may leave after the first line."""
    from rich.console import Console

    def leave(*_: object, **__: object) -> None:
        raise BrokenPipeError

    out = tmp_path / "scores.json"
    monkeypatch.setattr(Console, "print", leave)
    CliRunner().invoke(main, [*GROUPING, str(labelled), "-o", str(out)])
    assert json.loads(out.read_text("utf-8"))["scores"][0]["encoder"] == "minilm"


@pytest.mark.parametrize(
    ("verb", "says"),
    [("evaluate", "interrupted."), ("discover", "interrupted; run the same command to resume.")],
)
def test_only_verbs_that_resume_say_so(verb, says, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands[verb], "invoke", interrupt)
    result = CliRunner().invoke(main, [verb, *(["x.csv", "--goal", "y"] if verb == "discover" else [])])
    assert result.exit_code == 130
    assert result.stderr == f"goalspace: {says}\n"


def test_verb_answers_bad_input_in_one_line(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.touch()
    result = CliRunner().invoke(
        main, ["evaluate", "--encoder", "minilm", "--task", "grouping", "--data", str(path)]
    )
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "is empty" in result.stderr


def test_verb_offers_the_tasks_that_there_are():
    assert sorted(TASKS) == sorted(NAMES)


# --- the paraphrase pairs --------------------------------------------------------------------------


def test_paraphrase_pairs_are_balanced_and_cross_task_and_topic():
    rows = [json.loads(line) for line in PARAPHRASES.read_text("utf-8").splitlines()]
    assert len(rows) >= 150
    kinds = [(row["label"], row["topic"]) for row in rows]
    assert {kinds.count(kind) for kind in set(kinds)} == {len(rows) / 4}
    assert all((row["task1"] == row["task2"]) == bool(row["label"]) for row in rows)
    assert len({row["task1"] for row in rows}) >= 60
    texts = {frozenset((row["instruction1"], row["instruction2"])) for row in rows}
    assert len(texts) == len(rows)
    task_of: dict[str, set[str]] = {}
    for row in rows:
        for side in "12":
            task_of.setdefault(row[f"instruction{side}"], set()).add(row[f"task{side}"])
    assert {text: tasks for text, tasks in task_of.items() if len(tasks) > 1} == {}


def test_paraphrase_pairs_cannot_be_guessed_by_their_length_or_words():
    task = open_task("paraphrase", PARAPHRASES)
    assert isinstance(task, Similarity)
    lengths = np.array([[len(a), len(b)] for a, b in task.pairs])
    words = [(set(a.lower().split()), set(b.lower().split())) for a, b in task.pairs]
    for guess in (
        lengths.sum(axis=1),
        -abs(lengths[:, 0] - lengths[:, 1]),
        [len(a & b) / len(a | b) for a, b in words],
    ):
        assert auc(guess, labels=task.labels) < 0.6


# --- the real benchmark ----------------------------------------------------------------------------


def test_reference_figures_of_minilm(shared_data: Path):
    """Issue 3: ARI 0.483, purity 0.635, homogeneity 0.781, Spearman 0.751 in the normalised setting."""
    path = shared_data / "ieb" / "eft_test.jsonl"
    score, pairs = evaluate(
        {"minilm": "minilm"},
        ["instruction-clustering", "intention-similarity"],
        data={
            "instruction-clustering": path,
            "intention-similarity": path.with_name("intention_similarity_test.jsonl"),
        },
    )
    values = {**score.values, **pairs.values}
    found = [values[metric].mean for metric in ("ARI", "purity", "homogeneity", "Spearman")]
    assert found == pytest.approx([0.483, 0.635, 0.781, 0.751], abs=0.01)


# --- mteb ------------------------------------------------------------------------------------------


def test_adapter_has_the_methods_of_an_mteb_encoder_without_mteb():
    letters = MtebEncoder(Letters())
    batches = [{"text": ["abc", "aab"]}, {"text": ["b"]}]
    vectors = letters.encode(batches, task_metadata=None, hf_split="test", hf_subset="default", batch_size=2)
    assert np.array_equal(vectors, Letters().encode(["abc", "aab", "b"]))
    cosines = letters.similarity(vectors, vectors[:2])
    assert cosines.shape == (3, 2)
    assert cosines[0, 1].item() == pytest.approx(3 / np.sqrt(15))
    assert letters.similarity_pairwise(vectors[:2], vectors[[1, 1]]).tolist() == pytest.approx(
        [3 / np.sqrt(15), 1.0]
    )


MTEB = """
import json, warnings
warnings.simplefilter("ignore")
import mteb
from datasets import Dataset, DatasetDict
from mteb.abstasks.pair_classification import AbsTaskPairClassification
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol
from goalspace.evaluation.mteb import MtebEncoder

class Local(AbsTaskPairClassification):
    metadata = TaskMetadata(
        name="Local", description="Pairs of instructions.", dataset={"path": "none", "revision": "none"},
        type="PairClassification", category="t2t", modalities=["text"], eval_splits=["test"],
        eval_langs=["eng-Latn"], main_score="cosine_ap",
    )
    def load_data(self, **kwargs):
        rows = [json.loads(line) for line in open(PATH, encoding="utf-8")][:80]
        columns = {"sentence1": "instruction1", "sentence2": "instruction2", "labels": "label"}
        table = {to: [row[name] for row in rows] for to, name in columns.items()}
        self.dataset = DatasetDict({"test": Dataset.from_dict(table)})
        self.data_loaded = True

model = MtebEncoder("minilm")
assert isinstance(model, EncoderProtocol)
result = mteb.evaluate(model, [Local()], cache=None, show_progress_bar=False)
(scores,) = result.task_results[0].scores["test"]
print(json.dumps({"model": result.model_name, "score": scores["cosine_ap"]}))
"""


def test_a_task_of_mteb_runs_on_our_encoder(tmp_path):
    """In a process of its own: mteb imports half of the world and configures its logging."""
    pytest.importorskip("mteb", reason="mteb is not installed: pip install 'goalspace[mteb]'")
    from sklearn.metrics import average_precision_score

    rows = [json.loads(line) for line in PARAPHRASES.read_text("utf-8").splitlines()[:80]]
    minilm = goalspace.get_encoder("minilm")
    first, second = (minilm.encode([row[f"instruction{side}"] for row in rows]) for side in "12")
    expected = average_precision_score([row["label"] for row in rows], (first * second).sum(axis=1))
    code = MTEB.replace("PATH", repr(str(PARAPHRASES)))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["model"] == "goalspace/minilm"
    assert found["score"] == pytest.approx(expected, abs=1e-4)
