"""Instructions with known task labels, composed from lexicon.txt and the phrasings written by hand.

Two sources, both written for goalspace (Apache-2.0): *phrasings* say one task in many words, so that the encoder
learns what is meant; *frames* put thousands of verb–noun pairs into the syntax of instructions, so that it learns
to find the verb and its object whatever the topic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent

# which nouns a group of verbs commonly takes; the last pair of a group is rarer
_OBJECTS = {
    "make": ("document", "artefact", "information"),
    "change": ("text", "document", "artefact"),
    "read": ("text", "information", "document"),
    "tell": ("information", "document", "text"),
    "compute": ("quantity", "quantity", "information"),
    "arrange": ("text", "artefact", "information"),
}
_FRAMES = (
    "{V} {a} about {topic}.",
    "{V} {a} about {topic} {clause}.",
    "{V} {a} {clause}.",
    "{V} {a} for {audience}.",
    "{V} {a} for {thing}.",
    "{V} {a} on {topic}",
    "{V} {some} about {topic}.",
    "{V} {some} of {topic}.",
    "{V} {some} for {topic} {clause}",
    "{V} {n} {plural} about {topic}.",
    "{V} {n} {plural} of {topic}",
    "{V} the {noun} of {thing}.",
    "{V} the {noun} of {topic}.",
    "{V} the {noun} in {thing}.",
    "{V} the {noun} in {thing}: {text}",
    "{V} the {modifier} {noun} of {thing}",
    "{V} the following {noun} {clause}.",
    "{V} the following {noun}: {text}",
    "{V} the given {noun} {clause}.",
    "{V} this {noun} {clause}.",
    "{V} the {noun} for {audience}.",
    "{V} {a} to {v2} {topic}.",
    "{V} {a} that describes {topic}.",
    "{V} {a} from {thing}",
    "{V} {a} based on {thing}.",
    "Can you {v} {a} about {topic}?",
    "Could you please {v} the {noun} of {thing}?",
    "Please {v} {a} for {audience} about {topic}.",
    "I need you to {v} {a} on {topic}.",
    "I would like you to {v} {a} about {topic}",
    "Help me {v} {a} for {topic}.",
    "I want to {v} {a} about {topic}. Can you do that for me?",
    "Given {context}, {v} the {noun}.",
    "Given {context}, {v} {a} {clause}.",
    "Given {thing}, {v} the {modifier} {noun}.",
    "You will be given {context}. {V} the {noun} {clause}.",
    "You are given {context}. Your task is to {v} {a} {clause}.",
    "In this task, you have to {v} the {noun} of {context}.",
    "Your job is to {v} {a} for {audience}.",
    "Imagine you are {role}. {V} {a} about {topic}.",
    "You are {role}. {V} {a} for {audience} about {topic}.",
    "As {role}, {v} {a} on {topic} {clause}.",
    "Act as {role} and {v} {a} for {thing}.",
    "Using {thing}, {v} {a} {clause}.",
    "Use {thing} to {v} {a}.",
    "Based on {thing}, {v} the {noun}.",
    "For {thing}, {v} {a} {clause}.",
    "From {thing}, {v} the {modifier} {noun}.",
    "Read {thing} and {v} the {noun}.",
    "{text}\n{V} the {noun} above {clause}.",
    "{text}\n\n{V} {a} about this.",
    "{text} {V} the {noun} of this text.",
    "{topic}: {v} {a} about it",
    "{V} {a}: {text}",
    "{V} {a} in {language}.",
    "{V} {a} in {code} {clause}.",
    "{V} {a} in {code} to {v2} {thing}",
    "{V} {a} of {person}.",
    "{V} {a} for {company} {clause}.",
    "{V} {a} about {place}",
    "{V} how {topic} works with {a}.",
    "{V} whether the {noun} of {thing} is {modifier}.",
    "{V} {a} and keep it under {n} words.",
    '{V} {a} titled "{topic}".',
    "{v} {a} {topic}",
)
_SECTIONS = {"adj": "modifiers", "company": "companies"}
_SLOT = re.compile(r"\{(\w+)\}")
_LIGHT = (
    "some",
    "several",
    "a few",
    "the",
    "the main",
    "different",
    "three",
    "five",
    "10",
    "two",
    "multiple",
)


class Example(NamedTuple):
    """An instruction and the task it asks for, written verb|noun."""

    text: str
    label: str


def read_lexicon(path: Path = FOLDER / "lexicon.txt") -> dict[str, tuple[str, ...]]:
    """Read the sections of lexicon.txt: section name → entries."""
    sections: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current += [entry.strip() for entry in line.split(";") if entry.strip()]
    return {name: tuple(dict.fromkeys(entries)) for name, entries in sections.items()}


def read_phrasings(paths: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """Read blocks of phrasings: verb|noun → sentences with slots."""
    blocks: dict[str, list[str]] = {}
    for path in paths:
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
            if lines:
                blocks.setdefault(lines[0], []).extend(lines[1:])
    return {label: tuple(dict.fromkeys(lines)) for label, lines in blocks.items()}


def compose(n_frames: int, *, per_phrasing: int, passages: Sequence[str], seed: int) -> list[Example]:
    """Compose training instructions.

    Parameters
    ----------
    n_frames
        Number of instructions made from frames.
    per_phrasing
        How often each phrasing is filled; those without slots are taken once.
    passages
        Texts that users paste into instructions.
    seed
        Of everything drawn at random.
    """
    rng = np.random.default_rng(seed)
    words = read_lexicon()
    made = list(_from_frames(n_frames, words, passages, rng))
    for label, phrasings in read_phrasings(sorted(FOLDER.glob("phrasings_*.txt"))).items():
        for phrasing in phrasings:
            for _ in range(per_phrasing if "{" in phrasing else 1):
                made.append(Example(_fill(phrasing, words, passages, rng), label))
    return list(dict.fromkeys(made))


def compose_utterances(per_line: int, *, seed: int) -> list[str]:
    """Fill the lines of utterances.txt, which ask for no task, with things and topics."""
    rng = np.random.default_rng(seed)
    words = read_lexicon()
    lines, _, things = (FOLDER / "utterances.txt").read_text(encoding="utf-8").partition("[things]")
    known = {**words, "things": tuple(entry.strip() for entry in things.split(";"))}
    made = [
        _SLOT.sub(lambda match: _pick(known[f"{match.group(1)}s"], rng), line)
        for line in lines.splitlines()
        if line.strip() and not line.startswith("#")
        for _ in range(per_line)
    ]
    return list(dict.fromkeys(made))


def _from_frames(
    n: int, words: Mapping[str, tuple[str, ...]], passages: Sequence[str], rng: np.random.Generator
) -> Iterator[Example]:
    groups = list(_OBJECTS)
    for _ in range(n):
        group = groups[rng.integers(len(groups))]
        verb = _zipf(words[f"verbs {group}"], rng)
        usual, second, rare = _OBJECTS[group]
        kind = usual if (x := rng.random()) < 0.6 else second if x < 0.85 else rare
        noun = _zipf(words[f"nouns {kind}"], rng, flat=True)
        frame = _FRAMES[rng.integers(len(_FRAMES))]
        other = _zipf(words[f"verbs {groups[rng.integers(len(groups))]}"], rng)
        parts = {
            "V": verb.capitalize(),
            "v": verb,
            "v2": other,
            "noun": noun,
            "plural": _plural(noun),
            "a": _article(_modified(noun, words, rng)),
            "some": f"{_LIGHT[rng.integers(len(_LIGHT))]} {_plural(_modified(noun, words, rng))}",
        }
        yield Example(_fill(frame, words, passages, rng, parts), f"{verb}|{noun.split()[-1]}")


def _zipf(entries: Sequence[str], rng: np.random.Generator, *, flat: bool = False) -> str:
    """Draw an entry, the first ones more often: users' verbs are few and frequent."""
    weights = 1 / (np.arange(len(entries)) + (60 if flat else 6))
    return entries[rng.choice(len(entries), p=weights / weights.sum())]


def _modified(noun: str, words: Mapping[str, tuple[str, ...]], rng: np.random.Generator) -> str:
    if rng.random() < 0.2:
        noun = f"{_pick(words['compounds'], rng)} {noun}"
    if rng.random() < 0.35:
        noun = f"{_pick(words['modifiers'], rng)} {noun}"
    return noun


def _fill(
    frame: str,
    words: Mapping[str, tuple[str, ...]],
    passages: Sequence[str],
    rng: np.random.Generator,
    parts: Mapping[str, str] | None = None,
) -> str:
    def value(match: re.Match[str]) -> str:
        slot = match.group(1)
        if parts and slot in parts:
            return parts[slot]
        if slot == "text":
            return str(_pick(passages, rng))
        if slot == "n":
            return str(rng.integers(2, 21))
        return _pick(words[_SECTIONS.get(slot, f"{slot}s")], rng)

    text = _SLOT.sub(value, frame)
    if rng.random() < 0.1:
        text = text.lower()
    elif rng.random() < 0.1:
        text = text.rstrip(".!?")
    return text


def _pick(entries: Sequence[str], rng: np.random.Generator) -> str:
    return entries[rng.integers(len(entries))]


def _article(phrase: str) -> str:
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es" if not noun.endswith("s") or noun.endswith("ss") else noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
