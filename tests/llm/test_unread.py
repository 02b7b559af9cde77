"""Replies that cannot be read: kept, counted by reason, and asked for again when the user wants it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from goalspace.corpus import Corpus
from goalspace.errors import InputError, LLMError
from goalspace.llm.limits import Limits
from goalspace.llm.reading import is_plain_json, why_unread
from goalspace.proposals import Proposals, propose
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from goalspace.run.schema import check_record
from llm_server import Answer, LLMServer, completion, failure, prompt_of

REPLY = json.dumps({"analysis": "", "properties": [{"property": "is late", "quote": ""}]})
TEXTS = [f"Parcel <{n}> came late." for n in range(30)]
BAD = {0: "", 1: "I cannot do that.", 2: '{"analysis": "it is'}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("<think>hm</think>", "only reasoning"),
        ("<think>hm, let me see", "only reasoning"),
        ("It is late.", "no JSON"),
        ("Sorry seems to be the hardest word, and no JSON follows", "refusal"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I’m unable to assist.", "refusal"),
        ("I can’t assist with that request.", "refusal"),
        ("As an AI, I must not.", "refusal"),
        ("The response was filtered due to the prompt triggering the content management policy.", "refusal"),
        ('{"analysis": "it is', "cut"),
        ('{"analysis', "cut"),
        ("{}", "no property"),
        ('{"properties": []}', "no property"),
        ('{"error": "I cannot"}', "no property"),
        ("[1, 2]", "no property"),
        ("\x00\ud7ff" * 50, "no JSON"),
    ],
)
def test_the_reason_is_told(reply: str, why: str) -> None:
    assert why_unread(reply, "property") == why


@pytest.mark.parametrize(
    ("reply", "is_plain"),
    [
        (REPLY, True),
        (f"```json\n{REPLY}\n```", True),
        (f"<think>{{hm}}</think>\n{REPLY}", True),
        (f"Here it is: {REPLY}", False),
        (REPLY[:-1], False),
        (REPLY.replace('"', "'"), False),
        ("", False),
        ("[" * 100_000, False),
    ],
)
def test_plain_json_needs_no_repair(reply: str, is_plain: bool) -> None:
    assert is_plain_json(reply) is is_plain


def number_of(body: dict[str, Any]) -> int:
    return int(prompt_of(body).split("Parcel <")[1].partition(">")[0])


def is_second(body: dict[str, Any]) -> bool:
    return prompt_of(body).count("Parcel <") > 1 or "could not be" in prompt_of(body)


def bad(body: dict[str, Any]) -> str:
    return BAD.get(number_of(body), REPLY)


def run(folder: Path, server: LLMServer, *, retry: bool = False, **options: Any) -> Proposals:
    limits = Limits(retry_unread=retry, concurrency=4)
    corpus = Corpus.read(TEXTS)
    return propose(corpus, goal="why", llm=server.spec, cache_dir=folder, limits=limits, **options)


def replies_in(folder: Path) -> Counter[str]:
    with sqlite3.connect(folder / "llm.sqlite") as log:
        return Counter(reply for (reply,) in log.execute("SELECT reply FROM calls"))


@pytest.mark.parametrize("options", [{}, {"texts_per_call": 1}, {"prompting": "chained"}])
def test_only_unread_replies_are_asked_for_again(tmp_path: Path, options: dict[str, Any]) -> None:
    with LLMServer(bad) as server:
        found = run(tmp_path, server, **options)
        assert found.stats["n_unparsed"] == 3
        assert found.stats["unread"] == {"empty": 1, "refusal": 1, "cut": 1}
        before, n = replies_in(tmp_path), len(server.bodies())
        run(tmp_path, server, **options)
        assert len(server.bodies()) == n  # without the option, all is replayed
        found = run(tmp_path, server, retry=True, **options)
        assert found.stats["n_unparsed"] == 3
        assert [number_of(body) in BAD for body in server.bodies()[n:]] == [True] * 3
        assert replies_in(tmp_path).total() == before.total() + 3  # the earlier ones are kept
        assert not before - replies_in(tmp_path)
        n = len(server.bodies())
        server.chat = lambda body: REPLY
        found = run(tmp_path, server, retry=True, **options)
        assert found.stats["n_unparsed"] == 0
        assert "unread" not in found.stats
        assert len(server.bodies()) == n + 3
        n, everything = len(server.bodies()), replies_in(tmp_path)
        again = run(tmp_path, server, **options)  # from now on, the new replies are replayed
        assert again.stats["n_unparsed"] == 0
        assert len(server.bodies()) == n
        assert replies_in(tmp_path) == everything
        assert not before - everything


def test_a_text_that_was_read_at_the_second_attempt_is_not_asked_about_again(tmp_path: Path) -> None:
    seen: Counter[int] = Counter()

    def stubborn(body: dict[str, Any]) -> str:
        seen[number_of(body)] += 1
        return "no" if number_of(body) < 5 and seen[number_of(body)] == 1 else REPLY

    with LLMServer(stubborn) as server:
        assert run(tmp_path, server).stats["n_unparsed"] == 0
        n = len(server.bodies())
        assert run(tmp_path, server, retry=True).stats["n_unparsed"] == 0
        assert len(server.bodies()) == n == len(TEXTS) + 5


def test_an_interrupted_second_attempt_is_made_once(tmp_path: Path) -> None:
    """Stored replies to first attempts alone: the second attempt is made, not one more."""
    with LLMServer(bad) as server:
        run(tmp_path, server)
        with sqlite3.connect(tmp_path / "llm.sqlite") as log:
            first = {prompt_of(body) for body in server.bodies()[: len(TEXTS)]}
            for (prompt,) in log.execute("SELECT prompt FROM calls").fetchall():
                if prompt not in first:
                    log.execute("DELETE FROM calls WHERE prompt = ?", (prompt,))
        n = len(server.bodies())
        run(tmp_path, server, retry=True)
        assert len(server.bodies()) == n + 3


def test_a_run_that_was_given_up_keeps_the_replies_in_flight_and_goes_on(tmp_path: Path) -> None:
    """After a stop because of unreadable replies, all that was paid is stored, and a new start can ask again."""

    def slow(body: dict[str, Any]) -> Answer:
        return Answer(200, completion("I cannot do that."), pause=0.3, hangs=True)

    texts = [f"Parcel <{n}> came late." for n in range(200)]
    corpus = Corpus.read(texts)
    with LLMServer(slow) as server:
        for retry in (False, False):
            with pytest.raises(LLMError, match=r"20 of the first 20 .*20 × refusal"):
                propose(
                    corpus,
                    goal="why",
                    llm=server.spec,
                    cache_dir=tmp_path,
                    limits=Limits(concurrency=12, retry_unread=retry),
                )
            n = len(server.bodies())
            assert replies_in(tmp_path).total() == n > 20
        server.chat = lambda body: REPLY
        found = propose(
            corpus, goal="why", llm=server.spec, cache_dir=tmp_path, limits=Limits(retry_unread=True)
        )
        assert found.stats["n_unparsed"] == 0
        assert len(server.bodies()) == n + len(texts)


def test_a_finished_stage_runs_again_for_its_unread_replies(tmp_path: Path) -> None:
    """Also `discover` asks again, and what builds on the replies is done again."""
    with LLMServer(bad) as server:
        out = tmp_path / "run"
        arguments: dict[str, Any] = {
            "goal": "why",
            "llm": server.spec,
            "out": out,
            "n_factors": 1,
            "tune": "none",
        }
        discover(TEXTS, **arguments)
        result = Run.open(out).record["stages"]["propose"]["result"]
        assert result["unread"] == {"empty": 1, "refusal": 1, "cut": 1}
        n = len(server.bodies())
        server.chat = lambda body: (
            REPLY.replace("is late", f"is of parcel {number_of(body)}")
            if ("Parcel <" in prompt_of(body) and number_of(body) in BAD)
            else REPLY
        )
        discover(TEXTS, **arguments)
        assert len(server.bodies()) == n
        run = discover(TEXTS, **arguments, limits=Limits(retry_unread=True))
        assert run.record["stages"]["propose"]["result"]["n_unparsed"] == 0
        assert len(run.links.property_vectors) == len(run.proposals.properties) == 4
        assert run.stale() == []
        discover(TEXTS, **arguments, limits=Limits(retry_unread=True))
        assert redo(run, "propose", {"llm": server.spec}) == []  # the same replies: nothing is stale


@pytest.mark.parametrize("prompting", ["single", "chained"])
def test_reasons_why_no_reply_came_can_be_read_back(tmp_path: Path, prompting: str) -> None:
    def poisoned(body: dict[str, Any]) -> str | Answer:
        return Answer(200, completion(REPLY), pause=60, hangs=True) if "<3>" in prompt_of(body) else REPLY

    with LLMServer(poisoned) as server:
        options = {"prompting": prompting}
        run: dict[str, Any] = {"out": tmp_path / "run", "n_factors": 1, "tune": "none", "options": options}
        discover(TEXTS, goal="why", llm=server.spec, limits=Limits(deadline=2.0), **run)
    result = Run.open(tmp_path / "run").record["stages"]["propose"]["result"]
    assert result["unread"] == {"no reply": 1}
    assert sum(result["problems"].values()) == (1 if prompting == "single" else 2)


@pytest.mark.parametrize(
    "result", [{"proposer": {"a": 1}}, {"unread": {"a": "b"}}, {"n_read": {}}, {"x": {}}]
)
def test_a_result_holds_no_other_objects(result: dict[str, Any]) -> None:
    stages = {"propose": {"arguments": {}, "digest": "", "after": None, "result": result}}
    with pytest.raises((ValueError, InputError)):
        check_record({"goal": "why", "stages": stages})


@pytest.mark.parametrize(("cut", "kept"), [("end", "the beginning"), ("start", "the end")])
def test_halving_keeps_the_end_that_truncating_keeps(tmp_path: Path, cut: str, kept: str) -> None:
    def short_sighted(body: dict[str, Any]) -> str | Answer:
        if len(prompt_of(body)) > 3500:
            return failure(400, "too many", code="context_length_exceeded")
        return REPLY

    text = "the beginning " + "of a long story " * 400 + "the end"
    with LLMServer(short_sighted) as server:
        propose(
            Corpus.read([text, *TEXTS]),
            goal="why",
            llm=server.spec,
            cache_dir=tmp_path,
            truncate_from=cut,  # type: ignore[arg-type]
        )
        read = [prompt for prompt in server.prompts() if "a long story" in prompt and len(prompt) <= 3500]
    assert len(read) == 1
    assert (f"{kept} of" if cut == "end" else f"story {kept}") in read[0]
