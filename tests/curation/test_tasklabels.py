"""Task labels: what instructions ask for, in whatever words; merging, names and groups."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from goalspace.cli import main
from goalspace.curation.tasklabels import label_tasks, name_clusters, taxonomy
from goalspace.errors import InputError
from goalspace.instructions.dataset import Instructions
from goalspace.language import label_task

COMMANDS = {
    "Write a short poem about autumn.": "write|poem",
    "Please list three fruits that are rich in fibre.": "list|fruit",
    "Can you translate this paragraph into Spanish?": "translate|paragraph",
    "I want you to act as a travel guide. Suggest places near Lyon.": "suggest|place",
    "You are a pirate. Describe your daily routine on the ship.": "describe|routine",
    "Imagine you are a chef and explain the recipe of your soup.": "explain|recipe",
    "Given a list of numbers, find the largest prime.": "find|prime",
    "Given a sentence identify the verb": "identify|verb",
    "Your task is to classify the tweets by sentiment.": "classify|tweet",
    "You are given a tweet. Classify it as happy or sad.": "classify|tweet",
    "Given a set of reviews, summarize them.": "summarize|review",
    "Determine whether the sentence is grammatical.": "determine|sentence",
    "Identify what kind of animal is described.": "identify|kind",
    "Find and correct all spelling errors.": "find|error",
    "Help me write a cover letter for a job.": "write|letter",
    "Come up with a slogan for a bakery.": "come|slogan",
    "Tell me a joke": "tell|joke",
    "Give me a lot of ideas for dinner.": "give|idea",
    "Rewrite the company's mission statement in plain words.": "rewrite|statement",
    "Choose one of the following topics: a) love; b) war": "choose|topic",
    "Re-write the e-mail politely.": "rewrite|e-mail",
    "Hello! Could you please kindly proofread my essay?": "proofread|essay",
    "1. Compare ice cream and gelato.": "compare|cream",
    "Construct a tweet summarizing the news.": "construct|tweet",
    "Explain why the sky is blue.": "explain|knowledge",
    "Summarize: the cat sat on the mat.": "summarize|text",
    "How would you handle an angry customer?": "handle|customer",
    "What are some ways to save water?": "be|way",
    "I need a poem about cats.": "provide|poem",
    "The weather is nice. Write a story about it.": "write|story",
    "Complete this: the capital of France is ____.": "complete|text",
}
QUESTIONS = {
    "Why is the sky blue?": ("why|knowledge", "knowledge"),
    "What is the capital of France?": ("what|knowledge", "knowledge"),
    "Is a tomato a fruit?": ("yes-no|knowledge", "knowledge"),
    "What is 12 * 7?": ("what|math", "math"),
    "Ann has 3 apples and buys 4 more. How many apples does she have?": ("how|math", "math"),
    "Multiply 12 and 11.": ("multiply|math", "math"),
    "Write a Python function that sorts a list.": ("write|function", "code"),
    "Fix this:\n```\nfor i in range(3) print(i)\n```": ("fix|code", "code"),
    "def add(a, b):\n    '''Add two numbers.'''\n": ("complete|function", "code"),
    "The largest city of Norway": ("noun|knowledge", "knowledge"),
}
GRAMMAR = (
    "write",
    "the",
    "of",
    ",",
    "?",
    ":",
    "'",
    "a",
    "you",
    "can",
    "given",
    "to",
    "'s",
    "and",
    "is",
    "what",
    "it",
)
GRAMMAR += (
    "me",
    "poem",
    "3",
    "(",
    '"',
    "that",
    "please",
    "how",
    "-",
    "C++",
    "as",
    "at",
    "least",
    "I",
    "want",
    "one",
)
NO_TASK = [
    "",
    "   ",
    "\0",
    "…!?",
    "🙂🙂",
    "请写一首关于雨的诗。",
    "Schreibe bitte ein Gedicht über den Regen.",
    "x" * 5000,
]


@pytest.mark.parametrize(("text", "label"), COMMANDS.items())
def test_verb_and_object_of_what_is_asked(text, label):
    assert str(label_task(text)) == label


@pytest.mark.parametrize(("text", "expected"), QUESTIONS.items())
def test_questions_code_and_sums(text, expected):
    label = label_task(text)
    assert (str(label), label.kind) == expected


@pytest.mark.parametrize("text", NO_TASK)
def test_what_asks_for_nothing_in_english_is_other(text):
    label = label_task(text)
    assert (str(label), label.verb, label.kind) == ("other", "", "other")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_any_string_gets_a_label(text):
    label = label_task(text)
    assert str(label)
    assert (label.kind == "other") == (str(label) == "other")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(GRAMMAR),
        max_size=40,
    )
)
def test_any_mixture_of_grammar_gets_a_label(words):
    assert str(label_task(" ".join(words)))


def test_a_long_text_is_read_at_both_ends():
    passage = "The river flows through the town. " * 400
    assert str(label_task(f"{passage}\nWrite a summary of the passage.")) == "write|summary"


def test_hostile_lengths_end():
    for text in (
        "a" * 1_000_000,
        "( " * 200_000,
        " \t" * 200_000 + "Write a poem",
        ", and " * 100_000,
        "'s" * 100_000,
    ):
        assert str(label_task(text))


def test_labels_of_many_texts():
    texts = ["Write a poem.", "Compose a poem.", "Write a poem.", "Why?", "請"]
    apart = label_tasks(texts, merge=False)
    assert apart.labels == ("write|poem", "compose|poem", "write|poem", "why|knowledge", "other")
    together = label_tasks(texts, encoder=None)
    assert together.labels == ("write|poem", "write|poem", "write|poem", "why|knowledge", "other")
    assert together.verbs == ("write", "compose", "write", "why", "")
    assert together.kinds[-2:] == ("knowledge", "other")
    assert together.distribution() == [("write|poem", 3, 0.6), ("other", 1, 0.2), ("why|knowledge", 1, 0.2)]
    assert together.coverage == 0.8
    assert label_tasks([]).labels == ()
    assert label_tasks([]).coverage == 0


def test_nouns_that_are_alike_are_merged_by_vectors():
    texts = ["Describe the issue.", "Describe the problem.", "Describe the problem.", "Describe the weather."]
    texts += ["List the advantages.", "List the disadvantages."]
    merged = label_tasks(texts, encoder="minilm").labels
    assert merged[:3] == ("describe|problem",) * 3
    assert merged[3] == "describe|weather"
    assert merged[4] != merged[5]


def test_other_verbs_are_not_merged():
    texts = ["Write a poem.", "Translate a poem.", "Rewrite a poem.", "Classify a poem."]
    assert len(set(label_tasks(texts).labels)) == 4


def test_one_string_is_refused():
    with pytest.raises(InputError, match="must be a sequence of strings"):
        label_tasks("Write a poem.")


def test_clusters_are_named_by_what_is_characteristic():
    texts = ["Write a poem."] * 6 + ["Write a story."] * 3 + ["Write a poem."] * 2 + ["請", "請"]
    groups = [0] * 6 + [1] * 5 + [2] * 2
    assert name_clusters(texts, groups) == ["write|poem", "write|story", "other"]
    assert name_clusters(texts, np.full(len(texts), -1)) == []
    with pytest.raises(InputError, match="one number per text, 13"):
        name_clusters(texts, [0])


def test_two_clusters_share_no_name_if_they_need_not():
    texts = ["Write a poem."] * 5 + ["Write a poem."] * 2 + ["Sort a list."]
    assert name_clusters(texts, [0] * 5 + [1] * 3) == ["write|poem", "sort|list"]


def test_taxonomy_has_groups_of_tasks():
    labels = ["write|poem"] * 3 + [
        "write|function",
        "other",
        "classify|tweet",
        "classify|tweet",
        "what|math",
        "glorify|king",
    ]
    groups = taxonomy(labels)
    assert groups["Write"] == {"write|poem": 3}
    assert groups["Code"] == {"write|function": 1}
    assert groups["Compute"] == {"what|math": 1}
    assert groups["Classify and order"] == {"classify|tweet": 2}
    assert list(groups)[-1] == "Other"
    assert sum(n for tasks in groups.values() for n in tasks.values()) == len(labels)


@pytest.mark.parametrize(
    ("name", "least"),
    [("alpaca_5000", 0.99), ("lima", 0.95), ("gpteacher_roleplay", 0.99), ("self_instruct_seed_tasks", 0.98)],
)
def test_nearly_all_real_instructions_get_a_verb_and_a_noun(shared_data, name, least):
    data = Instructions.read(shared_data / "instructions" / f"{name}.jsonl")
    assert label_tasks(data.texts[:600], merge=False).coverage >= least


def test_labels_agree_with_the_benchmark(shared_data):
    lines = (shared_data / "ieb" / "eft_test.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[::8]]
    right = 0
    for row in rows:
        options = [option.split("|") for option in row["label"].split("##")]
        label = label_task(row["instruction"])
        right += any(label.verb == verb and label.noun == noun for verb, noun in options)
    assert right / len(rows) > 0.75


# ---------------------------------------------------------------- the verb


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """What `goalspace label` wrote and printed for rows with hostile texts, ids, and a field named task."""
    folder = tmp_path_factory.mktemp("label")
    rows = [
        {"id": "=1+1", "instruction": "Write a poem.", "task": "mine"},
        {"id": "b", "instruction": "Compose a poem. <script>alert(1)</script>"},
        {"id": "c", "instruction": "Why is the sky blue? [red]\u202e"},
        {"id": "d", "instruction": ""},
        {"id": "e", "instruction": "請"},
    ]
    (folder / "my data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = CliRunner().invoke(main, ["label", str(folder / "my data.jsonl"), "-o", str(folder / "out")])
    assert result.exit_code == 0, result.output
    return rows, folder / "out", result.output


def test_label_writes_rows_in_their_own_format(labelled):
    rows, out, _ = labelled
    written = [json.loads(line) for line in (out / "labelled.jsonl").read_text("utf-8").splitlines()]
    tasks = ["write|poem", "write|poem", "why|knowledge", "other"]
    assert [row["task_"] for row in written] == tasks
    assert [{k: v for k, v in row.items() if k != "task_"} for row in written] == [*rows[:3], rows[4]]


def test_label_writes_tables_that_start_no_formula(labelled):
    _, out, _ = labelled
    lines = (out / "labels.csv").read_text("utf-8").splitlines()
    assert lines[0].replace('"', "") == "id,task,group,kind,verb,noun"
    assert lines[1].replace('"', "") == "'=1+1,write|poem,Write,command,write,poem"
    assert lines[4].replace('"', "") == "e,other,Other,other,,"


def test_label_draws_a_page_and_prints_a_table(labelled):
    _, out, printed = labelled
    page = (out / "report.html").read_text("utf-8")
    assert "my data.jsonl: 2 tasks" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert (out / "figure-1.svg").is_file()
    assert "write|poem" in printed
    assert "rows without an instruction" in printed


def test_label_of_text_lines_writes_no_labelled_lines(tmp_path):
    (tmp_path / "a.txt").write_text("Sort the list.\nSum 2 and 3.\n")
    result = CliRunner().invoke(main, ["label", str(tmp_path / "a.txt"), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("labels.csv", "labels.parquet", "report.html", "report.md", "figure-1.svg", "figure-2.svg"),
        *("instructions.parquet", "label.json"),
    }


@pytest.mark.parametrize(
    ("name", "content", "arguments", "message"),
    [
        ("a.jsonl", "", [], "a.jsonl is empty"),
        ("a.jsonl", '{"prompt": "x", "query": "y"}', [], "choose one with --field"),
        ("a.jsonl", '{"prompt": "x"}', ["--field", "text"], "no field 'text'"),
        ("a.jsonl", '{"prompt": "x"}', ["--input"], "no field 'input'"),
        ("a.jsonl", '{"prompt": "x"}\n{"instruction": "y"}', [], "The rows of a.jsonl differ"),
    ],
)
def test_label_reports_errors_in_one_line(tmp_path, name, content, arguments, message):
    (tmp_path / name).write_text(content)
    result = CliRunner().invoke(main, ["label", str(tmp_path / name), *arguments])
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert result.output.strip().splitlines()[-1].startswith("goalspace: ")
