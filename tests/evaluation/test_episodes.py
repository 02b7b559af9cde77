"""Episodes of a text world: states, splits without leaks, and facts along episodes written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from goalspace.cli import main
from goalspace.errors import InputError
from goalspace.evaluation.episodes import STATE_CHARACTERS, newest, split_episodes, states_of, without_numbers
from goalspace.evaluation.neighbours import NextAction
from goalspace.evaluation.tasks import open_task

GONE = object()  # a field that is left out
INIT = "You are in the middle of a room. Looking quickly around you, you see a cabinet 12, and a fridge 1."


def episode(goal: str, *steps: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "id": "e",
        "scene": 1,
        "room": "kitchen",
        "goal": goal,
        "init_obs": INIT,
        "steps": [list(step) for step in steps],
        **fields,
    }


def many() -> list[dict[str, Any]]:
    """Two rooms with 18 and 3 scenes of four trials each."""
    return [
        episode("put a mug in cabinet", ("go to cabinet 12", "It is empty."), id=f"{room} {scene} {trial}")
        | {"room": room, "scene": f"{room}-{scene}"}
        for room, n in (("kitchen", 18), ("bedroom", 3))
        for scene in range(n)
        for trial in range(4)
    ]


def facts_along(goal: str, *steps: tuple[str, str]) -> list[set[str]]:
    """The facts before every step, and after the last."""
    return [set(state.facts) for state in states_of([episode(goal, *steps, ("look", ""))])]


# --- states ----------------------------------------------------------------------------------------


def test_numbers_are_left_out_whole_and_only_of_actions():
    assert without_numbers("take mug 12 from cabinet 3") == "take mug from cabinet"
    assert without_numbers("go to cabinet 12") == without_numbers("go to cabinet 3") == "go to cabinet"
    steps = (("go to cabinet 12", "The cabinet 12 is closed."), ("go to cabinet 3", "The cabinet 3 is open."))
    first, second, third = states_of([episode("put a mug in cabinet", *steps, ("look", "Nothing."))])
    assert first.action == second.action == "go to cabinet"
    assert "> go to cabinet 12\nThe cabinet 12 is closed." in second.text
    assert second.text != second.text.replace("cabinet 12", "cabinet 3")
    assert third.text == f"{second.text}\n> go to cabinet 3\nThe cabinet 3 is open."


def test_a_state_knows_what_was_seen_before_its_action_and_nothing_after():
    steps = [(f"go to shelf {i}", f"On the shelf {i}, you see a thing {i}.") for i in range(1, 6)]
    states = states_of([episode("put a mug in cabinet", *steps)])
    assert len(states) == 5
    for i, state in enumerate(states):
        assert state.text.startswith("Goal: put a mug in cabinet\n")
        assert all((f"a thing {k}." in state.text) == (k <= i) for k in range(1, 6))
        assert state.episode == "e"


def test_of_a_long_trajectory_the_newest_part_is_kept():
    steps = [(f"go to shelf {i}", f"On the shelf {i}, you see a thing {i}.") for i in range(1, 60)]
    goal = "put a mug in cabinet"
    for i, state in enumerate(states_of([episode(goal, *steps)])):
        head, _, recent = state.text.partition("\n")
        assert head == f"Goal: {goal}"
        assert len(recent) <= STATE_CHARACTERS
        assert i == 0 or recent.endswith(f"you see a thing {i}.")
    assert "thing 1." not in recent
    assert len(recent) > STATE_CHARACTERS - 20


@pytest.mark.parametrize(
    ("text", "characters", "kept"),
    [
        ("  short\n", 10, "short"),
        ("one two three", 13, "one two three"),
        ("one two three", 9, "three"),
        ("one two\nthree", 10, "three"),
        ("unbreakable", 5, "kable"),
        ("", 5, ""),
    ],
)
def test_newest_keeps_whole_words_from_the_end(text, characters, kept):
    assert newest(text, characters) == kept


# --- splits ----------------------------------------------------------------------------------------


def scenes_of(part: Sequence[Mapping[str, Any]]) -> set[str]:
    return {found["scene"] for found in part}


def ids_of(part: Sequence[Mapping[str, Any]]) -> list[str]:
    return [found["id"] for found in part]


def test_splits_share_no_episode_and_unseen_scenes_are_nowhere_else():
    episodes = many()
    split = split_episodes(episodes)
    everywhere = [*ids_of(split.train), *ids_of(split.seen), *ids_of(split.unseen)]
    assert sorted(everywhere) == sorted(ids_of(episodes))
    assert not scenes_of(split.unseen) & scenes_of([*split.train, *split.seen])
    assert scenes_of(split.seen) <= scenes_of(split.train)
    # one in nine of 18 kitchens, one bedroom of three, all their trials; a tenth of the other 72
    rooms = [scene.partition("-")[0] for scene in scenes_of(split.unseen)]
    assert sorted(rooms) == ["bedroom", "kitchen", "kitchen"]
    assert len(split.unseen) == 12
    assert len(split.seen) == 7


def test_a_seed_always_splits_the_same_way():
    episodes = many()
    assert split_episodes(episodes) == split_episodes(episodes)
    assert split_episodes(episodes, seed=1) == split_episodes(episodes, seed=1)
    assert ids_of(split_episodes(episodes).seen) != ids_of(split_episodes(episodes, seed=1).seen)


def test_a_sample_is_a_part_of_the_whole_split():
    whole, part = split_episodes(many()), split_episodes(many(), sample=20)
    assert part.train == whole.train[:20]
    assert set(ids_of(part.seen)) <= set(ids_of(whole.seen))
    assert part.unseen == whole.unseen[:4]


@pytest.mark.parametrize("sample", [10, 20, 40])
def test_seen_trials_are_of_scenes_of_which_others_are_in_the_sample(sample):
    """The first of them in the order of the whole split, not all of the first."""
    whole, part = split_episodes(many()), split_episodes(many(), sample=sample)
    trained = scenes_of(part.train)
    assert scenes_of(part.seen) <= trained
    assert part.seen == tuple(e for e in whole.seen if e["scene"] in trained)[: sample // 5]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"goal": GONE}, "there is no 'goal'; episodes need id, scene, room, goal"),
        ({"goal": None}, "'goal' must be a string, and not empty"),
        ({"goal": " "}, "'goal' must be a string, and not empty"),
        ({"init_obs": 3}, "'init_obs' must be a string"),
        ({"id": None}, "'id' must be a string or a whole number, and not empty"),
        ({"scene": [1]}, "'scene' must be a string or a whole number"),
        ({"steps": "go"}, "'steps' must be a non-empty list"),
        ({"steps": []}, "'steps' must be a non-empty list"),
        ({"steps": [["go to shelf 1"]]}, r"'steps' must be a non-empty list of \[action, observation\]"),
        (
            {"steps": [["go to shelf 1", None]]},
            r"'steps' must be a non-empty list of \[action, observation\]",
        ),
        ({"steps": [["", "Nothing happens."]]}, "'steps' .* and no action may be empty"),
    ],
)
def test_rows_that_are_not_trajectories_are_refused(broken, says, tmp_path):
    episodes = many()
    episodes[1] |= broken
    episodes[1] = {name: value for name, value in episodes[1].items() if value is not GONE}
    with pytest.raises(InputError, match=f"Episode 2: {says}"):
        split_episodes(episodes)
    path = tmp_path / "episodes.jsonl"
    path.write_text("\n".join(json.dumps(each) + "\n" for each in episodes), encoding="utf-8")
    with pytest.raises(InputError, match=rf"episodes\.jsonl, line 3: {says}"):
        open_task("next-action", path)


def test_a_sample_in_whose_scenes_no_trial_is_held_out_is_too_small():
    with pytest.raises(InputError, match="no held-out trial is of a scene of the 2 training episodes"):
        split_episodes(many(), sample=2)


def test_two_episodes_of_one_id_are_refused():
    episodes = many()
    episodes[4] |= {"id": episodes[1]["id"]}
    with pytest.raises(InputError, match="Episode 5 has the id of Episode 2, 'kitchen 0 1'"):
        split_episodes(episodes)


@pytest.mark.parametrize("few", [1, 9])
def test_too_few_episodes_are_refused(few):
    with pytest.raises(InputError, match="too few to hold scenes and trials out"):
        split_episodes(many()[:few])


# --- facts -----------------------------------------------------------------------------------------


def test_facts_of_heating():
    before, at_fridge, opened, taken, at_microwave, heated, at_table, delivered = facts_along(
        "heat some egg and put it in diningtable",
        ("go to fridge 1", "The fridge 1 is closed."),
        (
            "open fridge 1",
            "You open the fridge 1. The fridge 1 is open. In it, you see a egg 2, and a tomato 1.",
        ),
        ("take egg 2 from fridge 1", "You pick up the egg 2 from the fridge 1."),
        ("go to microwave 1", "The microwave 1 is closed."),
        ("heat egg 2 with microwave 1", "You heat the egg 2 using the microwave 1."),
        ("go to diningtable 1", "On the diningtable 1, you see a egg 3, and a fork 1."),
        ("put egg 2 in/on diningtable 1", "You put the egg 2 in/on the diningtable 1."),
    )
    assert before >= {"task: heat", "task: heat egg", "destination diningtable", "at the middle of the room"}
    assert before >= {"last action: none", "holding nothing", "still looking for the egg"}
    assert at_fridge >= {"at the fridge", "the fridge is closed", "last action: go to fridge"}
    assert opened >= {"the egg is here", "what is looked for is here"}
    assert "the fridge is closed" not in opened
    assert taken >= {"holding the egg", "holding what must be heated, must go to the microwave"}
    assert "holding what must be heated, at the microwave" in at_microwave
    assert "holding the ready egg, must be brought" in heated
    assert at_table >= {"holding the ready egg, at its destination", "must bring it to the diningtable"}
    assert delivered >= {"holding nothing", "last action: put"}


def test_facts_of_cleaning_with_a_step_that_fails():
    taken, failed, cleaned = facts_along(
        "put a clean mug in cabinet",
        ("go to sinkbasin 1", "On the sinkbasin 1, you see a mug 1."),
        ("take mug 1 from sinkbasin 1", "You pick up the mug 1 from the sinkbasin 1."),
        ("open drawer 3", "Nothing happens."),
        ("clean mug 1 with sinkbasin 1", "You clean the mug 1 using the sinkbasin 1."),
    )[2:]
    assert taken >= {"task: clean mug", "holding what must be cleaned, at the sinkbasin"}
    assert failed >= {"at the sinkbasin", "holding the mug", "last action: open drawer"}
    assert "the sinkbasin is closed" not in failed
    assert cleaned >= {"holding the ready mug, must be brought", "must bring it to the cabinet"}


@pytest.mark.parametrize(
    "goal", ["look at alarmclock under the desklamp", "examine the alarmclock with the desklamp"]
)
def test_facts_of_looking_at_something_under_a_lamp_that_stands_on_something(goal):
    before, there, taken, elsewhere = facts_along(
        goal,
        ("go to dresser 1", "On the dresser 1, you see a alarmclock 2, a desklamp 1, and a watch 1."),
        ("take alarmclock 2 from dresser 1", "You pick up the alarmclock 2 from the dresser 1."),
        ("go to bed 1", "On the bed 1, you see a book 1."),
    )
    assert before >= {"task: look", "task: look alarmclock", "still looking for the alarmclock"}
    assert there >= {"destination desklamp", "the alarmclock is here"}
    assert "holding the ready alarmclock, at its destination" in taken
    assert "holding the ready alarmclock, must be brought" in elsewhere


@pytest.mark.parametrize("goal", ["put two pillow in sofa", "find two pillow and put them in sofa"])
def test_facts_of_bringing_two(goal):
    facts = facts_along(
        goal,
        ("go to bed 1", "On the bed 1, you see a pillow 2, and a pillow 1."),
        ("take pillow 1 from bed 1", "You pick up the pillow 1 from the bed 1."),
        ("go to sofa 1", "On the sofa 1, you see nothing."),
        ("put pillow 1 in/on sofa 1", "You put the pillow 1 in/on the sofa 1."),
        ("go to bed 1", "On the bed 1, you see a pillow 2."),
    )
    assert all({"task: put two", "task: put two pillow", "destination sofa"} <= each for each in facts)
    assert ["one of two is delivered" in each for each in facts] == [False] * 4 + [True] * 2
    assert "the pillow was seen at the bed" in facts[4]
    assert facts[5] >= {"the pillow is here", "holding nothing", "last action: go to bed"}


@pytest.mark.parametrize("goal", ["", "12", "look", "put", "two", "heat"])
def test_goals_that_say_nothing_do_no_harm(goal):
    assert "holding nothing" in facts_along(goal, ("go to shelf 1", "On the shelf 1, you see nothing."))[1]


# --- a run on states -------------------------------------------------------------------------------


def test_states_and_facts_are_written_for_a_run(tmp_path):
    """The file is a corpus, and recorded proposals of itself: `discover F --llm recorded:F#facts`."""
    from click.testing import CliRunner

    from goalspace.corpus import Corpus
    from goalspace.proposals import propose

    steps = [(f"go to shelf {i}", f"On the shelf {i}, you see a mug {i}.") for i in range(1, 4)]
    episodes = [{**each, "steps": [list(step) for step in steps]} for each in many()]
    data, texts = tmp_path / "episodes.jsonl", tmp_path / "states.jsonl"
    data.write_text("".join(json.dumps(each) + "\n" for each in episodes), encoding="utf-8")
    command = ["--task", "next-action", "--data", str(data), "--sample", "10", "--texts", str(texts)]
    result = CliRunner().invoke(main, ["evaluate", *command])
    assert result.exit_code == 0, result.output
    assert f"recorded:{texts}#facts" in result.output

    task = open_task("next-action", data, sample=10)
    assert isinstance(task, NextAction)
    rows = [json.loads(line) for line in texts.read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == list(task.train)
    assert [row["action"] for row in rows] == list(task.actions)
    assert len({row["id"] for row in rows}) == 30

    corpus = Corpus.read(texts)
    assert corpus.id_column == "id"
    assert corpus.stats["n_duplicates"] == 27  # all trials are alike here
    found = propose(corpus, goal="facts", llm=f"recorded:{texts}#facts")
    assert {"holding nothing", "last action: go"} <= set(found.properties)
    assert found.stats["coverage"] == 1


def test_splits_of_alfworld(shared_data: Path):
    path = shared_data / "alfworld" / "expert_trajectories_train.jsonl"
    task = open_task("next-action", path, sample=50)
    assert isinstance(task, NextAction)
    assert task.metrics == ("seen", "unseen")
    assert len({row["episode"] for row in task.rows}) == 50
    assert not any(char.isdigit() for action in task.actions for char in action)
    held_out = {e for group in task.groups.values() for e in group.episodes}
    assert not held_out & {row["episode"] for row in task.rows}
