"""The encoder goal: another goal gives other neighbours, properties share the space, and the weights are its own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from goalspace.cli import main
from goalspace.encoders import low_rank
from goalspace.encoders.blend import load_blend
from goalspace.encoders.cache import embed
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.stored import load_stored
from goalspace.errors import InputError
from goalspace.proposals.bank import load_bank

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "goalspace" / "data" / "goal.safetensors"

FEELING, SUBJECT = "how the writer feels", "what the message is about"
# a text; one with the same feeling about something else; one with another feeling about the same
PLACES = (
    (
        "The new swimming pool is a joy, I could stay there all day!",
        "I'm so happy with the bus to the harbour, what a lovely ride.",
        "I am furious about the swimming pool: filthy water and closed again.",
    ),
    (
        "I'm scared of the dog next door, it growls at my children.",
        "My hands were shaking the whole flight. I was terrified.",
        "The dog next door is the sweetest thing, we adore him.",
    ),
    (
        "How sad that the old bakery closed, I could cry.",
        "Since my brother left the house is empty, and I miss him terribly.",
        "Ha, the old bakery closed and the mice threw a party, I laughed so much!",
    ),
    (
        "This bridge toll is an outrage. Robbery in broad daylight!",
        "Who let the heating fail again? I have had enough of this idiocy!",
        "No complaints about the bridge toll, honestly, it is a relief to skip the ferry.",
    ),
    (
        "The exam tomorrow keeps me awake, what if I fail?",
        "I keep checking the locks. What if somebody comes in?",
        "The exam is over, and I am over the moon!",
    ),
    (
        "Thank you so much for the tomato plants, you are too kind.",
        "I am deeply grateful to the nurses who sat with my father.",
        "Those tomato plants you gave me died in a week, thanks for nothing.",
    ),
    (
        "A goat in the lift! I did not see that coming.",
        "I never expected the letter to arrive after nine years, I am stunned.",
        "There is a goat in the lift again, and I am sick of cleaning up after it.",
    ),
    (
        "The fish soup made me gag, there was hair in it.",
        "The toilets at the station are revolting, I nearly threw up.",
        "The fish soup is heavenly, I had three bowls and sang all the way home.",
    ),
)
TEXT = "Dear Sir or Madam, the vase came in pieces. Would you kindly return what I paid? Many thanks."
DESCRIBED = (  # a goal; a property that TEXT has, and one that it has not
    ("what the customer wants", "asks for a refund", "asks for directions"),
    ("intention of the letter", "wants the money back", "cancels an appointment"),
    ("tone of voice", "polite", "sarcastic"),
    ("How formal is it?", "formal letter", "slang"),
    ("what is wrong with the product", "arrived broken", "too small"),
    ("kind of text", "letter of complaint", "poem"),
)


def test_the_goal_decides_which_texts_are_near():
    """An encoder that ignores the goal is right under exactly one of two goals, in half of the cases."""
    right = []
    for texts in PLACES:
        by_feeling, by_subject = (
            vectors @ vectors[0]
            for vectors in (GoalEncoder(goal).encode(texts) for goal in (FEELING, SUBJECT))
        )
        right += [by_feeling[1] > by_feeling[2], by_subject[2] > by_subject[1]]
    assert np.mean(right) >= 0.75


def test_properties_are_in_the_space_of_the_texts():
    right = []
    for goal, has, has_not in DESCRIBED:
        encoder = get_encoder("goal", goal=goal)
        cosines = encoder.encode_properties([has, has_not]) @ encoder.encode([TEXT])[0]
        right.append(cosines[0] > cosines[1])
    assert np.mean(right) > 0.75


def test_the_vectors_of_the_bank_are_stored():
    names = load_bank().properties[::500]
    goal = "how the writer feels"  # asks neither for content nor for form
    stored, encoded = (GoalEncoder(goal, adapter).encode_properties(names) for adapter in (None, SHIPPED))
    assert set(names) <= set(load_stored().properties)
    assert np.sum(stored * encoded, axis=1).min() > 0.999
    assert set(load_stored().properties) == set(load_bank().properties)


def test_the_questions_of_the_bank_are_stored():
    encoded = MiniLM().encode([text for _, text in load_bank().questions])
    assert np.sum(load_stored().questions * encoded, axis=1).min() > 0.9999


def test_what_stands_beside_the_vector_depends_on_the_goal():
    weights = {
        goal: load_blend().weigh(goal)
        for goal in ("subject of the letter", "layout and form of the text", "how angry the writer is")
    }
    content, form, feeling = weights.values()
    assert content[0] > 0.4 > content[1]
    assert form[1] > 0.4 > form[0]
    assert feeling[0] < 0.4
    assert feeling[1] < form[1] / 2
    lists = ["- milk\n- eggs\n- flour", "- nails\n- glue\n- a saw"]
    prose = [
        "We need milk, eggs and flour, and I wonder who will go.",
        "He bought nails, glue and a saw yesterday.",
    ]
    vectors = GoalEncoder("layout and form of the text").encode([*lists, *prose])
    assert vectors[0] @ vectors[1] > max(vectors[0] @ vectors[2], vectors[1] @ vectors[3])


def test_properties_that_answer_the_goal_have_larger_mean_cosines():
    texts = [text for own in PLACES for text in own]
    encoder = GoalEncoder(FEELING)
    found = encoder.mean_cosines(
        encoder.encode(texts), ["angry", "grateful", "sad", "letters", "a bridge", "a dog"]
    )
    assert found[:3].min() > found[3:].max()


def test_vectors_have_length_one_and_do_not_depend_on_the_batch():
    encoder = GoalEncoder("topic")
    texts = [
        "Write to me soon.",
        "x",
        "",
        "\n\n",
        "one\n\ntwo\r\nthree",
        "word " * 5000,
        "\ud800 half a pair",
    ]
    together = encoder.encode(texts)
    assert together.shape == (7, encoder.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.vstack([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.encode_properties([]).shape == (0, encoder.dim)


def test_line_breaks_are_read():
    encoder = GoalEncoder("form of the text")
    verse, prose = encoder.encode(["the sea is grey\nthe sky is low", "the sea is grey the sky is low"])
    assert verse @ prose < 0.9999


def test_cached_vectors_are_those_of_the_goal(tmp_path):
    texts = [text for each in PLACES for text in each]
    files = []
    for _ in range(2):  # computed, then from the cache
        one, other = (
            embed(texts, encoder="goal", goal=goal, cache_dir=tmp_path) for goal in (FEELING, SUBJECT)
        )
        np.testing.assert_allclose(one, GoalEncoder(FEELING).encode(texts), atol=1e-5)
        np.testing.assert_allclose(other, GoalEncoder(SUBJECT).encode(texts), atol=1e-5)
        files.append(sorted(tmp_path.rglob("*.npy")))
    assert len(files[0]) == 2
    assert files[0] == files[1]
    assert not np.allclose(one, other, atol=0.1)


def test_the_name_says_goal_and_weights():
    encoder = get_encoder("goal", goal="  what it is:\n about [1] ")
    assert re.fullmatch(r"goal@[0-9a-f]{8}\[what it is: about \[1\]\]", encoder.name)
    again = get_encoder(encoder.name)
    np.testing.assert_array_equal(again.encode(["A letter."]), encoder.encode(["A letter."]))
    with pytest.raises(InputError, match="make it again"):
        get_encoder("goal@00000000[topic]")
    with pytest.raises(InputError, match="already has a goal"):
        get_encoder(encoder.name, goal="another")


def test_bad_arguments_are_refused(tmp_path):
    for arguments, words in (
        ({}, "needs a goal"),
        ({"goal": " \n"}, "goal is empty"),
        ({"goal": "topic", "template": "pie"}, "takes no template"),
    ):
        with pytest.raises(InputError, match=words):
            get_encoder("goal", **arguments)
    other = SHIPPED.with_name("task.safetensors")
    with pytest.raises(InputError, match="not an adapter of the encoder 'goal'"):
        get_encoder(f"goal:{other}", goal="topic").encode(["A letter."])
    (tmp_path / "text.safetensors").write_bytes(b"no tensors here")
    for path in (tmp_path / "text.safetensors", tmp_path / "missing.safetensors"):
        with pytest.raises(InputError, match="not an adapter"):
            get_encoder(f"goal:{path}", goal="topic").encode(["A letter."])


def test_the_shipped_weights_are_those_of_the_recipe():
    page = (ROOT / "recipes" / "goal" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() in page
    assert SHIPPED.stat().st_size < 25e6
    about = low_rank.load(SHIPPED).about
    assert about["base"] == "all-MiniLM-L6-v2"
    assert "recipes/goal" in about["corpus"]


def test_the_commands_take_a_goal(tmp_path):
    runner = CliRunner()
    source = tmp_path / "letters.csv"
    source.write_text(
        "text\n" + "\n".join(f'"{text}"' for texts in PLACES for text in texts), encoding="utf-8"
    )
    done = runner.invoke(
        main, ["embed", str(source), "--encoder", "goal", "--goal", FEELING, "-o", str(tmp_path / "v.npy")]
    )
    assert done.exit_code == 0, done.output
    assert FEELING in done.output
    texts = [text for each in PLACES for text in each]
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), GoalEncoder(FEELING).encode(texts), atol=1e-5)
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(
        "".join(
            f'{{"text": "{text}", "label": "{label}"}}\n'
            for texts in PLACES
            for text, label in zip(texts, "aab", strict=True)
        ),
        encoding="utf-8",
    )
    measured = ["evaluate", "--task", "grouping", "--data", str(labelled), "--goal", FEELING]
    done = runner.invoke(main, [*measured, "--encoder", "goal", "--encoder", "minilm"])
    assert done.exit_code == 0, done.output
    refused = runner.invoke(main, [*measured, "--encoder", "minilm"])
    assert refused.exit_code == 2
    assert "--goal is for the encoders goal, smollm2 and pie:FOLDER" in refused.output
