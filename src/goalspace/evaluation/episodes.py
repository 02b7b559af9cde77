"""Episodes of a text world → states with the action taken next, and the facts that rules read off a state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.errors import InputError

GOAL = "discover which facts about the state decide the next action"
# The newest part of a text that is kept: about 256 tokens, which is what the built-in encoder reads of a text. It
# would cut the end off, as the papers' code did, and the end says what comes next. Lists of numbered objects have
# more tokens than talk, and the goal stands before them.
STATE_CHARACTERS = 700
DIALOGUE_CHARACTERS = 1000

_NUMBER = re.compile(r"\s+\d+\b")
_NAMES = ("id", "scene", "room")
_WORDS = ("goal", "init_obs")
_FIELDS = (*_NAMES, *_WORDS, "steps")
_HELD_OUT_SCENES = 9  # one in this many scenes of a room is unseen
_HELD_OUT_TRIALS = 10  # one in this many trials of the other scenes is held out


@dataclass(frozen=True)
class State:
    """What an agent knows before an action.

    Attributes
    ----------
    text
        The goal, then the newest part of what was seen and done.
    action
        The expert's next action, without object numbers.
    episode
        The id of the trajectory.
    facts
        Short properties derived by rules from the trajectory so far.
    """

    text: str
    action: str
    episode: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Episodes to learn from, held-out trials of the same scenes, and trials of scenes never seen."""

    train: tuple[Mapping[str, Any], ...]
    seen: tuple[Mapping[str, Any], ...]
    unseen: tuple[Mapping[str, Any], ...]


def split_episodes(
    episodes: Sequence[Mapping[str, Any]],
    *,
    sample: int | None = None,
    seed: int = 0,
    source: str = "The list",
    where: Callable[[int], str] = lambda i: f"Episode {i + 1}",
) -> Split:
    """Hold out one in nine scenes of every room, and one in ten of the other scenes' trials.

    Held-out trials of scenes of which no trial is trained on are left out: they would be unseen.

    Parameters
    ----------
    episodes
        Expert trajectories of ALFWorld: objects with ``id``, ``scene``, ``room``, ``goal``, ``init_obs`` and
        ``steps``, a list of [action, observation].
    sample
        Keep only this many training episodes, and a fifth as many of each held-out kind.
    seed
        Seed of the choice of scenes, trials and sample.
    source, where
        Names of the episodes, and of one of them by index, in messages.

    Raises
    ------
    InputError
        If an episode lacks a field, two have the same id, or there are too few of them to hold any out.
    """
    first: dict[str, int] = {}
    for i, episode in enumerate(episodes):
        if problem := _wrong_with(episode):
            raise InputError(f"{where(i)}: {problem}")
        if first.setdefault(str(episode["id"]), i) != i:
            raise InputError(
                f"{where(i)} has the id of {where(first[str(episode['id'])])}, {episode['id']!r}: give every episode "
                "its own."
            )
    rng = np.random.default_rng(seed)
    rooms: dict[str, set[str]] = {}
    for episode in episodes:
        rooms.setdefault(str(episode["room"]), set()).add(str(episode["scene"]))
    unknown: set[str] = set()
    for room in sorted(rooms):
        scenes = sorted(rooms[room])
        n_held = len(scenes) // _HELD_OUT_SCENES or int(len(scenes) > 1)
        unknown |= set(rng.choice(scenes, n_held, replace=False).tolist())
    unseen = [e for e in episodes if str(e["scene"]) in unknown]
    known = [e for e in episodes if str(e["scene"]) not in unknown]
    known = [known[i] for i in rng.permutation(len(known))]
    unseen = [unseen[i] for i in rng.permutation(len(unseen))]
    n_seen = len(known) // _HELD_OUT_TRIALS
    train, seen = known[n_seen:][:sample], known[:n_seen]
    if not (train and seen and unseen):
        raise InputError(
            f"{source}: {len(episodes)} episodes are too few to hold scenes and trials out. "
            "Give a room with two scenes, and ten episodes or more in the scenes that are left."
        )
    trained = {str(e["scene"]) for e in train}
    seen = [e for e in seen if str(e["scene"]) in trained]
    if not seen:
        raise InputError(
            f"{source}: no held-out trial is of a scene of the {len(train)} training episodes. Take more of them."
        )
    if sample is not None:
        seen, unseen = seen[: max(1, sample // 5)], unseen[: max(1, sample // 5)]
    return Split(tuple(train), tuple(seen), tuple(unseen))


def _wrong_with(episode: Mapping[str, Any]) -> str | None:
    """Say why this is not a valid trajectory; None if it is."""
    for name in _FIELDS:
        if name not in episode:
            return f"there is no '{name}'; episodes need {', '.join(_FIELDS)}."
        value = episode[name]
        if name in _NAMES and not (isinstance(value, (str, int)) and str(value).strip()):
            return f"'{name}' must be a string or a whole number, and not empty."
        if name in _WORDS and not (isinstance(value, str) and value.strip()):
            return f"'{name}' must be a string, and not empty."
    steps = episode["steps"]
    if not isinstance(steps, list) or not steps or not all(_is_step(step) for step in steps):
        return "'steps' must be a non-empty list of [action, observation], and no action may be empty."
    return None


def _is_step(step: Any) -> bool:
    pair = isinstance(step, list) and len(step) == 2 and all(isinstance(part, str) for part in step)
    return pair and bool(step[0].strip())


def states_of(episodes: Sequence[Mapping[str, Any]]) -> list[State]:
    """Every state of the episodes, in order, with the action that the expert took in it."""
    return [state for episode in episodes for state in _states(episode)]


def _states(episode: Mapping[str, Any]) -> Iterator[State]:
    goal = str(episode["goal"])
    lines = [str(episode["init_obs"])]
    watched = _Watched(goal)
    for action, observation in episode["steps"]:
        recent = newest("\n".join(lines), STATE_CHARACTERS)
        text = f"Goal: {goal}\n{recent}"
        yield State(text, without_numbers(action), str(episode["id"]), tuple(watched.facts()))
        lines += [f"> {action}", observation]
        watched.see(action, observation)


def without_numbers(action: str) -> str:
    """An action without the numbers of its objects: "take mug 12 from shelf 3"."""
    return _NUMBER.sub("", action)


def newest(text: str, characters: int) -> str:
    """The end of a text: whole words, at most `characters` long."""
    text = text.strip()
    return text if len(text) <= characters else text[-characters:].split(None, 1)[-1]


# ---------------------------------------------------------------- facts

_TASKS = (
    ("heat", re.compile(r"\b(?:heat|hot)\b")),
    ("cool", re.compile(r"\b(?:cool|cold|chill)\b")),
    ("clean", re.compile(r"\b(?:clean|wash)\b")),
    ("look", re.compile(r"\b(?:look|examine)\b")),
    ("put two", re.compile(r"\b(?:two)\b")),
)
_LAMP = "desklamp"
_LOOKED_AT = re.compile(r"\b(?:at|examine)(?: an?| some| the)? ([a-z]+)")
_STATIONS = {"heat": "microwave", "cool": "fridge", "clean": "sinkbasin"}
_THING = re.compile(r"\b(?:an?|some|the|two)\s+(?:(?:hot|cool|cold|clean)\s+)?([a-z]+)")
_SEEN = re.compile(r"\ban? ([a-z]+) \d+")
_DEED = re.compile(r"^([a-z]+)(?: to)? ([a-z]+) \d+(?: (?:from|in/on|in|on|with|to) ([a-z]+) \d+)?")


class _Watched:
    """Tracks an episode by rules: where the agent is, what it holds, and how far its task is done."""

    def __init__(self, goal: str) -> None:
        words = goal.lower()
        self.task = next((name for name, pattern in _TASKS if pattern.search(words)), "put")
        looks = self.task == "look"
        match = (_LOOKED_AT if looks else _THING).search(words)
        self.target = match[1] if match else "object"
        self.destination = _LAMP if looks else re.findall(r"[a-z]+", f"somewhere {words}")[-1]
        self.at = "middle of the room"
        self.held: str | None = None
        self.ready = self.task not in _STATIONS
        self.delivered = 0
        self.last = "none"
        self.here: tuple[str, ...] = ()
        self.closed = False
        self.known: dict[str, str] = {}  # object → where it was seen

    def see(self, action: str, observation: str) -> None:
        """Update the state with an action and its observation."""
        match = _DEED.match(action)
        verb, first, second = match.groups() if match else (action.split(" ")[0], "", None)
        failed = observation.startswith("Nothing happens")
        self.last = without_numbers(action)
        if failed:
            return
        if verb == "go":
            self.at = first
            self.closed = "is closed" in observation
        elif verb in ("open", "close"):
            self.closed = verb == "close"
        elif verb == "take":
            self.held = first
            self.here = tuple(thing for thing in self.here if thing != first)
        elif verb in ("put", "move"):
            self.delivered += first == self.target and second == self.destination and self.ready
            self.held = None
        elif verb in _STATIONS and first == self.target and verb == self.task:
            self.ready = True
        if verb in ("go", "open"):
            self.here = tuple(_SEEN.findall(observation.partition("you see")[2]))
            self.known |= dict.fromkeys(self.here, self.at)

    def facts(self) -> Iterator[str]:
        """The facts of the current state."""
        yield f"task: {self.task}"
        yield f"task: {self.task} {self.target}"
        yield f"destination {self.destination}"
        yield f"at the {self.at}"
        yield f"last action: {self.last.split(' ')[0]}"
        yield f"last action: {self.last}"
        yield f"holding the {self.held}" if self.held else "holding nothing"
        if self.closed:
            yield f"the {self.at} is closed"
        yield from self._stage()

    def _stage(self) -> Iterator[str]:
        """The facts about the agent's progress in its task."""
        if self.held == self.target:
            if not self.ready:
                station = _STATIONS[self.task]
                where = "at the" if self.at == station else "must go to the"
                yield f"holding what must be {self.task}ed, {where} {station}"
            else:
                there = self.destination in (self.at, *self.here)  # a lamp stands on something
                where = "at its destination" if there else "must be brought"
                yield f"holding the ready {self.target}, {where}"
                yield f"must bring it to the {self.destination}"
        elif self.target in self.here:
            yield f"the {self.target} is here"
            yield "what is looked for is here"
        elif self.target in self.known:
            yield f"the {self.target} was seen at the {self.known[self.target]}"
        else:
            yield f"still looking for the {self.target}"
            yield f"nothing useful at the {self.at}"
        if self.delivered:
            yield "one of two is delivered"
