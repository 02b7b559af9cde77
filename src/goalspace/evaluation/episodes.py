"""Episodes of a text world → states with the action taken next, and the facts that rules read off a state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.errors import InputError

GOAL = "discover which facts about the state decide the next action"
STATE_CHARACTERS = (
    700  # of the newest part of the trajectory: with the goal about 256 tokens, what MiniLM reads
)

_NUMBER = re.compile(r"\s+\d+\b")
_HELD_OUT_SCENES = 9  # one in so many of a room's scenes is unseen
_HELD_OUT_TRIALS = 10  # one in so many trials of the other scenes is held out


@dataclass(frozen=True)
class State:
    """What an agent knows before an action.

    Attributes
    ----------
    text
        The goal, then the newest part of what was seen and done.
    action
        What the expert did next, its numbers left out whole.
    episode
        The id of the trajectory.
    facts
        What rules read off the whole trajectory so far, as short properties.
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
    episodes: Sequence[Mapping[str, Any]], *, sample: int | None = None, seed: int = 0
) -> Split:
    """Hold out one in nine scenes of every room, and one in ten of the other scenes' trials.

    Parameters
    ----------
    episodes
        Expert trajectories of ALFWorld: objects with ``id``, ``scene``, ``room``, ``goal``, ``init_obs`` and
        ``steps``, a list of [action, observation].
    sample
        Keep only this many training episodes, and a fifth as many of each held-out kind.
    seed
        Of the scenes, the trials and the sample.

    Raises
    ------
    InputError
        If an episode lacks a field.
    """
    for number, episode in enumerate(episodes, 1):
        if missing := [
            name for name in ("id", "scene", "room", "goal", "init_obs", "steps") if name not in episode
        ]:
            raise InputError(
                f"Episode {number} has no '{missing[0]}': episodes need id, scene, room, goal, init_obs and steps."
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
    train, seen = known[n_seen:], known[:n_seen]
    if sample is not None:
        train, seen, unseen = train[:sample], seen[: max(1, sample // 5)], unseen[: max(1, sample // 5)]
    return Split(tuple(train), tuple(seen), tuple(unseen))


def states_of(episodes: Sequence[Mapping[str, Any]]) -> list[State]:
    """Every state of the episodes, in order, with the action that the expert took in it."""
    return [state for episode in episodes for state in _states(episode)]


def _states(episode: Mapping[str, Any]) -> Iterator[State]:
    goal = str(episode["goal"])
    lines = [str(episode["init_obs"])]
    watched = _Watched(goal)
    for action, observation in episode["steps"]:
        text = f"Goal: {goal}\n{_newest(lines)}"
        yield State(text, without_numbers(action), str(episode["id"]), tuple(watched.facts()))
        lines += [f"> {action}", str(observation)]
        watched.see(str(action), str(observation))


def without_numbers(action: str) -> str:
    """An action without the numbers of its objects, each left out whole: "take mug 12 from shelf 3"."""
    return _NUMBER.sub("", action)


def _newest(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= STATE_CHARACTERS else text[-STATE_CHARACTERS:].split(None, 1)[-1]


# ---------------------------------------------------------------- facts

_TASKS = (
    ("heat", re.compile(r"\b(?:heat|hot)\b")),
    ("cool", re.compile(r"\b(?:cool|cold|chill)\b")),
    ("clean", re.compile(r"\b(?:clean|wash)\b")),
    ("look", re.compile(r"\b(?:look|examine)\b")),
    ("put two", re.compile(r"\b(?:two)\b")),
)
_STATIONS = {"heat": "microwave", "cool": "fridge", "clean": "sinkbasin"}
_THING = re.compile(r"\b(?:an?|some|the|two)\s+(?:(?:hot|cool|cold|clean)\s+)?([a-z]+)")
_SEEN = re.compile(r"\ban? ([a-z]+) \d+")
_DEED = re.compile(r"^([a-z]+)(?: to)? ([a-z]+) \d+(?: (?:from|in/on|in|on|with|to) ([a-z]+) \d+)?")


class _Watched:
    """Keeps track of an episode by rules: where the agent is, what it holds, what is done of its task."""

    def __init__(self, goal: str) -> None:
        words = goal.lower()
        self.task = next((name for name, pattern in _TASKS if pattern.search(words)), "put")
        found = _THING.search(words)
        self.target = found[1] if found else "object"
        self.place = re.findall(r"[a-z]+", words)[-1] if self.task != "look" else "desklamp"
        self.at = "middle of the room"
        self.held: str | None = None
        self.ready = self.task not in _STATIONS
        self.delivered = 0
        self.last = "none"
        self.here: tuple[str, ...] = ()
        self.closed = False
        self.known: dict[str, str] = {}  # object → where it was seen
        self.visits = 0

    def see(self, action: str, observation: str) -> None:
        """Take in an action and what followed on it."""
        found = _DEED.match(action)
        verb, first, second = found.groups() if found else (action.split(" ")[0], "", None)
        failed = observation.startswith("Nothing happens")
        self.last = without_numbers(action)
        if failed:
            return
        if verb == "go":
            self.at, self.visits = first, self.visits + 1
            self.closed = "is closed" in observation
        elif verb in ("open", "close"):
            self.closed = verb == "close"
        elif verb == "take":
            self.held = first
            self.here = tuple(thing for thing in self.here if thing != first)
        elif verb in ("put", "move"):
            self.delivered += first == self.target and second == self.place and self.ready
            self.held = None
        elif verb in _STATIONS and first == self.target and verb == self.task:
            self.ready = True
        if verb in ("go", "open"):
            self.here = tuple(_SEEN.findall(observation.partition("you see")[2]))
            self.known |= dict.fromkeys(self.here, self.at)

    def facts(self) -> Iterator[str]:
        """What holds now."""
        yield f"task: {self.task}"
        yield f"task: {self.task} {self.target}"
        yield f"destination {self.place}"
        yield f"at the {self.at}"
        yield f"last action: {self.last.split(' ')[0]}"
        yield f"last action: {self.last}"
        yield f"holding the {self.held}" if self.held else "holding nothing"
        if self.closed:
            yield f"the {self.at} is closed"
        yield from self._stage()

    def _stage(self) -> Iterator[str]:
        """Which step of its task the agent stands before."""
        if self.held == self.target:
            if not self.ready:
                station = _STATIONS[self.task]
                where = "at the" if self.at == station else "must go to the"
                yield f"holding what must be {self.task}ed, {where} {station}"
            else:
                where = "at its destination" if self.at == self.place else "must be brought"
                yield f"holding the ready {self.target}, {where}"
                yield f"must bring it to the {self.place}"
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
