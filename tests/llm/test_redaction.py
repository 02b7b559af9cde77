"""--redact: nothing private is sent or stored with calls, quotes are passages of the texts, and placeholders stay."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from command_line import goalspace
from goalspace.cli.outcome import write_report
from goalspace.corpus import Corpus
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.evaluation.judging import judge
from goalspace.llm import get_llm
from goalspace.llm.protocol import FunctionLLM
from goalspace.llm.redaction import MaskedText, Redactor
from goalspace.proposals import Proposals, propose
from goalspace.proposals.plan import CallPlan
from goalspace.reports.exports import export
from goalspace.run import Run, discover, redo
from llm_server import Answer, LLMServer, completion, failure, prompt_of

PRIVATE = (
    "anna.schmidt@example.com",
    "jo＠exam\u00adple．org",
    "0171 2345678",
    "0171\n9876543",
    "+49\u200b30\u200b1234567",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "DE89 3704 0044\n0532 0130 00",
    "carl@example.net",
)
THINGS = ("router", "invoice", "login", "delivery", "screen", "refund")
TEXTS = [
    f"The {THINGS[n % 6]} number {n} failed. Write to {PRIVATE[n % 9]} or {PRIVATE[(n + 4) % 9]} about the {THINGS[n % 6]}."
    for n in range(36)
]


def answer(body: dict[str, Any]) -> str:
    """Quote the words with the first placeholder of the prompt, and name a property after it."""
    prompt = prompt_of(body)
    start = prompt.find("Write to ")
    quote = prompt[start:].partition(" or ")[0] if start >= 0 else ""
    shown = quote.removeprefix("Write to ")
    names = [
        {"property": f"complains to {shown}", "quote": quote},
        {"property": "asks for help", "quote": ""},
    ]
    values = {"analysis": f"writes to {shown}", "properties": names, "relevance": 3, "informativeness": 4}
    return json.dumps({**values, "name": "complaints", "description": "d", "reason": "r", "better": 1})


def leaks(text: str, private: Sequence[str] = PRIVATE) -> list[str]:
    """Private values in a text, in any spelling of their letters and digits."""

    def plain(value: str) -> str:
        return "".join(c for c in value.lower() if c.isalnum() or c == "@")

    flat = plain(text)
    return [value for value in private if value in text or plain(value) in flat]


def sent(server: LLMServer) -> str:
    return json.dumps([body for _, body, _ in server.requests], ensure_ascii=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS), encoding="utf-8")
    return path


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize("options", [{}, {"prompting": "chained"}, {"texts_per_call": 4}], ids=str)
def test_nothing_private_is_sent_in_any_prompt(tmp_path: Path, source: Path, options: dict[str, Any]) -> None:
    """First and second attempts, names of factors, the goal: neither requests nor stored calls hold a value."""
    second: set[str] = set()

    def chat(body: dict[str, Any]) -> str:
        if "number 7 " in prompt_of(body) and "could not be read" not in prompt_of(body):
            second.add(prompt_of(body))
            return "no"
        return answer(body)

    run = tmp_path / "run"
    goal = f"why people write to {PRIVATE[0]}"
    with LLMServer(chat) as server:
        discover(
            source,
            goal=goal,
            llm=server.spec,
            n_factors=2,
            tune="none",
            redact=True,
            options=options,
            out=run,
        )
        assert second
        assert leaks(sent(server)) == []
        assert "why people write to [EMAIL-" in sent(server)
        n_named = sum("An analyst sorted texts" in prompt for prompt in server.prompts())
        assert n_named == len(Run.open(run).factors.names) > 0
    with sqlite3.connect(run / "llm.sqlite") as log:
        assert leaks(json.dumps(log.execute("SELECT * FROM calls").fetchall(), ensure_ascii=False)) == []


def test_quotes_are_passages_of_the_texts_and_names_keep_placeholders(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    with LLMServer(answer) as server:
        discover(source, goal="trouble", llm=server.spec, n_factors=2, tune="none", redact=True, out=run)
    proposals = Run.open(run).proposals
    assert proposals.stats["n_quotes_dropped"] == 0
    quotes = {quote for quote in proposals.quotes if quote}
    assert quotes == {f"Write to {value}" for value in PRIVATE}
    named = [name for name in proposals.properties if name.startswith("complains to")]
    assert sorted(named) == sorted(set(named))
    assert "complains to [email-1]" in named
    assert len(named) == len(PRIVATE)
    written = json.dumps([*proposals.properties, *proposals.analyses.values()], ensure_ascii=False)
    assert leaks(written) == []
    factors = Run.open(run).factors
    assert leaks(json.dumps([factors.names, factors.descriptions], ensure_ascii=False)) == []


def test_what_is_sent_does_not_depend_on_private_values(tmp_path: Path) -> None:
    """Also not by a digest, such as the mark between texts that share a call, or by where a text is cut."""
    bodies = []
    for number, address in (("0171 2345678", "anna@example.com"), ("030 98765432", "b@example.org")):
        texts = [text.replace("#", number).replace("@", address) for text in (["Call # or @ soon."] * 3)]
        texts = [f"{n} {text} {'word ' * n}" for n, text in enumerate(texts)]
        texts += [
            f"{'long ' * 8}{number}",
            f"{'long ' * 9}{address} and more",
        ]  # ends within the private part
        for options in (
            {},
            {"texts_per_call": 3},
            {"text_tokens": 16},
            {"truncate_from": "start", "text_tokens": 16},
        ):
            with LLMServer(answer) as server:
                propose(
                    Corpus.read(texts),
                    goal=f"calls to {number}",
                    llm=server.spec,
                    redact=True,
                    cache_dir=tmp_path / f"{address}{len(bodies)}",
                    **options,  # type: ignore[arg-type]
                )
                bodies.append(sorted(server.prompts()))
    assert bodies[:4] == bodies[4:]


def test_texts_that_are_too_long_are_halved_without_their_private_half(tmp_path: Path) -> None:
    texts = [f"Text {n}: {'word ' * (20 + n)}{'0171 2345678 ' * 20}" for n in range(12)]

    def chat(body: dict[str, Any]) -> str | Answer:
        if len(prompt_of(body)) > 1250:
            return failure(400, "maximum context length is 300 tokens", code="context_length_exceeded")
        return answer(body)

    with LLMServer(chat) as server:
        propose(Corpus.read(texts), goal="calls", llm=server.spec, redact=True, max_unparsed=1.0)
        digits = "".join(character for character in sent(server) if character.isdigit() or character == " ")
        assert "0171" not in digits
        assert "2345" not in digits


def test_a_redacted_run_goes_on_masking(tmp_path: Path, source: Path) -> None:
    """Without the option, in every later stage; a run that was not redacted is from now on."""
    run, offline = tmp_path / "run", tmp_path / "offline"
    plans: list[CallPlan] = []
    with LLMServer(answer) as server:
        llm, announce = server.spec, plans.extend
        discover(source, goal="trouble", llm=llm, n_factors=2, tune="none", redact=True, out=run)
        discover(source, goal="trouble", n_factors=2, tune="none", out=offline)
        for again in (
            lambda: redo(Run.open(run), "factor", {"llm": llm, "n_factors": 3}, announce=announce),
            lambda: redo(Run.open(run), "propose", {"llm": llm, "sample": 20}, announce=announce),
            lambda: discover(
                source, goal="trouble", llm=llm, n_factors=4, tune="none", out=run, announce=announce
            ),
            lambda: redo(Run.open(offline), "factor", {"llm": llm}, redact=True, announce=announce),
            lambda: redo(Run.open(offline), "factor", {"llm": llm, "n_factors": 3}, announce=announce),
            lambda: judge(Run.open(run), llm=llm, announce=announce),
            lambda: judge(Run.open(offline), llm=llm, against=Run.open(run), sample=9, announce=announce),
        ):
            server.requests.clear()
            plans.clear()
            again()
            assert leaks(sent(server)) == []
            assert plans
            assert all(plan.is_masked for plan in plans)


def test_a_judge_is_masked_for_one_evaluation(tmp_path: Path, source: Path) -> None:
    with LLMServer(answer) as server:
        discover(source, goal="trouble", n_factors=2, tune="none", out=tmp_path / "run")
        judge(Run.open(tmp_path / "run"), llm=server.spec, redact=True)
        assert server.requests
        assert leaks(sent(server)) == []


def test_passages_do_not_cut_private_data_in_two() -> None:
    text = "Call 0171 2345678. Or anna@example.com"
    masked = Redactor(None).mask([text])[0]
    assert masked.passage(0, 9) == "Call [PHONE-1]"
    assert masked.passage(9, 25) == "[PHONE-1]. Or [EMAIL-1]"
    assert masked.passage(18, 21) == " Or"


# ---------------------------------------------------------------- placeholders


def test_placeholders_in_texts_stand_for_nobody(tmp_path: Path) -> None:
    """A text that holds "[EMAIL-1]" gets its own words as a quote, and no property that names somebody's placeholder."""
    texts = [f"Text {n}. Write to anna@example.com or call." for n in range(5)]
    texts += [
        "Hostile. Write to [EMAIL-1] or call.",
        "Hostile too. Write to ［email-1］ or call.",
        "Again. Write to [EM\u200bAIL-1] or call.",
        "Unknown. Write to [EMAIL-99] or call.",
    ]
    with LLMServer(answer) as server:
        found = propose(Corpus.read(texts), goal="calls", llm=server.spec, redact=True, cache_dir=tmp_path)
    by_text: dict[int, set[str | None]] = {}
    for text, quote in zip(found.text_index, found.quotes, strict=True):
        by_text.setdefault(int(text), set()).add(quote)
    for row, text in enumerate(texts):
        assert by_text[row] == {None, text.partition(". ")[2].partition(" or")[0]}
    named = [name for name in found.properties if "[email-" in name]
    assert named == ["complains to [email-1]"]
    texts_with = found.n_texts_with()[found.properties.index(named[0])]
    assert texts_with == 5


def test_a_reply_cannot_bring_in_what_another_text_holds(tmp_path: Path) -> None:
    """Placeholders that a model makes up are words."""
    texts = [
        "Write to anna@example.com please.",
        "Nothing private is in here.",
        *(f"Text {n}" for n in range(8)),
    ]
    reply = json.dumps(
        {"analysis": "[EMAIL-1]", "properties": [{"property": "is [EMAIL-1]", "quote": "[EMAIL-1]"}]}
    )
    found = propose(Corpus.read(texts), goal="g", llm=FunctionLLM(lambda _: reply), redact=True)
    assert dict(zip(found.text_index.tolist(), found.quotes, strict=True)) == {
        0: "anna@example.com",
        **dict.fromkeys(range(1, 10)),
    }
    assert found.properties == ("is [email-1]",)
    assert set(found.analyses.values()) == {"[EMAIL-1]"}


def test_masked_texts_lead_back_to_every_passage() -> None:
    """Every span of a masked text, also one that begins or ends in a mask, restores the passage that it stands for."""
    draw = random.Random(1)
    for _ in range(3000):
        size = draw.randint(1, 30)
        text = "".join(draw.choice("abcdef") for _ in range(size))
        cuts = sorted(draw.sample(range(size + 1), 2 * draw.randint(0, min(3, (size + 1) // 2))))
        masks = tuple(
            (start, end, f"[{'X' * draw.randint(0, 4)}]")
            for start, end in zip(cuts[::2], cuts[1::2], strict=True)
        )
        masked, origins, at = MaskedText(text, masks), list[tuple[int, int]](), 0
        for start, end, mask in masks:
            origins += [*((i, i + 1) for i in range(at, start)), *[(start, end)] * len(mask)]
            at = end
        origins += [(i, i + 1) for i in range(at, size)]
        shown = masked.text
        assert masked.restore(0, len(shown)) == text
        if shown:
            start = draw.randrange(len(shown))
            end = draw.randint(start + 1, len(shown))
            assert masked.restore(start, end) == text[origins[start][0] : origins[end - 1][1]]


def test_placeholders_are_the_same_for_every_process(tmp_path: Path) -> None:
    """Values of several at once, each in another order: a value has one number, and a number one value."""
    addresses = [f"user{n}@example.com" for n in range(300)]

    def number(seed: int) -> dict[str, str]:
        order = random.Random(seed).sample(addresses, len(addresses))
        masked = [
            text for part in range(0, 300, 30) for text in Redactor(tmp_path).mask(order[part : part + 30])
        ]
        return {text.original: text.text for text in masked}

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(number, range(4))
    assert all(other == first for other in others)
    assert len(set(first.values())) == 300


def test_the_placeholders_are_for_the_owner_alone_and_not_exported(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    with LLMServer(answer) as server:
        discover(source, goal="trouble", llm=server.spec, n_factors=2, tune="none", redact=True, out=run)
    path = run / "redacted.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as file:
        stored = dict(file.execute("SELECT value, kind || '-' || number FROM placeholders").fetchall())
    assert stored["anna.schmidt@example.com"] == "EMAIL-1"
    assert stored["DE89370400440532013000"] == "IBAN-1"
    path.chmod(0o644)
    Redactor(run).mask(["new@example.com"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    export(Run.open(run), tmp_path / "out")
    write_report(Run.open(run))
    pages = (run / "report.md").read_text("utf-8") + (run / "report.html").read_text("utf-8")
    for value in (
        "+491712345678",
        "DE89370400440532013000",
        "4111111111111111",
    ):  # as only that file spells them
        assert value not in pages
        for exported in (tmp_path / "out").rglob("*"):
            assert value.encode() not in exported.read_bytes()


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_a_damaged_file_of_placeholders_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "redacted.sqlite").write_bytes(content)
    with pytest.raises(InputError, match=r"redacted\.sqlite: the file of placeholders cannot be used"):
        Redactor(tmp_path).mask(["anna@example.com"])


def test_a_hostile_file_of_placeholders_gives_no_other_text(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "redacted.sqlite") as file:
        file.execute("CREATE TABLE placeholders (kind, number, value)")
        file.execute("INSERT INTO placeholders VALUES ('EMAIL', 'anna@example.com', 'anna@example.com')")
        file.execute("INSERT INTO placeholders VALUES ('PHONE', -5, '+491712345678')")
    assert Redactor(tmp_path).mask(["anna@example.com"])[0].text == "[EMAIL-1]"
    with pytest.raises(InputError, match="holds something else"):
        Redactor(tmp_path).mask(["0171 2345678"])


def test_links_are_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "redacted.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="symbolic link"):
        Redactor(tmp_path).mask(["anna@example.com"])
    assert not (tmp_path / "elsewhere").exists()


def test_a_killed_run_goes_on_with_the_same_placeholders(tmp_path: Path, source: Path) -> None:
    """And without the option: nothing private is sent, and nothing is paid twice."""
    run = tmp_path / "run"

    def slowly(body: dict[str, Any]) -> Answer:
        return Answer(200, completion(answer(body)), pause=0.1, hangs=True)

    with LLMServer(slowly) as server:
        command = [
            *(sys.executable, "-m", "goalspace.cli", "discover", str(source), "--goal", "trouble"),
            *("--llm", server.spec, "--factors", "2", "--tune", "none", "--concurrency", "1", "-o", str(run)),
        ]
        process = subprocess.Popen(
            [*command, "--redact"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        limit = time.monotonic() + 60
        while len(server.bodies()) < 9:
            assert time.monotonic() < limit, "the process makes no calls"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with sqlite3.connect(run / "llm.sqlite") as log:
            stored = {prompt for (prompt,) in log.execute("SELECT prompt FROM calls")}
        n_before = len(server.bodies())
        assert stored
        server.chat = answer
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stderr
        assert not stored & set(server.prompts()[n_before:])
        assert len(set(server.prompts())) == len(TEXTS) + 2  # the same prompts as without interruption
        assert leaks(sent(server)) == []


def test_texts_without_private_data_are_the_same_calls(tmp_path: Path) -> None:
    """What was asked before is not paid again when masking is chosen."""
    texts = [f"{thing} trouble {n}" for n in range(2) for thing in THINGS]
    with LLMServer(answer) as server:
        propose(Corpus.read(texts), goal="g", llm=server.spec, cache_dir=tmp_path)
        n_before = len(server.bodies())
        propose(Corpus.read(texts), goal="g", llm=server.spec, cache_dir=tmp_path, redact=True)
        assert len(server.bodies()) == n_before
    assert not (tmp_path / "redacted.sqlite").exists()


def test_ten_thousand_texts_are_masked(tmp_path: Path) -> None:
    texts = [
        f"Text {n}: {'some words ' * 20} user{n % 2500}@example.com, 0171 {n:07d}, order {n}."
        for n in range(10_000)
    ]
    masked = Redactor(tmp_path).mask(texts)
    assert masked[0].text.endswith("[EMAIL-1], [PHONE-1], order 0.")
    assert masked[9999].text.endswith("[EMAIL-2500], [PHONE-10000], order 9999.")
    assert (tmp_path / "redacted.sqlite").stat().st_size < 3_000_000


# ---------------------------------------------------------------- what is refused


def make_run(folder: Path, source: Path) -> Path:
    discover(source, goal="trouble", n_factors=2, tune="none", redact=True, out=folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    "call",
    [
        lambda source, folder, spec: discover(
            source, goal="g", encoder=spec, redact=True, out=folder / "new"
        ),
        lambda source, folder, spec: propose(
            Corpus.read(TEXTS), goal="g", llm=FunctionLLM(str), encoder=get_encoder(spec), redact=True
        ),
        lambda source, folder, spec: redo(Run.open(make_run(folder, source)), "link", {"encoder": spec}),
        lambda source, folder, spec: discover(
            source, goal="trouble", encoder=spec, out=make_run(folder, source)
        ),
    ],
    ids=["discover", "propose", "link", "again"],
)
def test_encoders_behind_endpoints_are_refused(
    tmp_path: Path, source: Path, call: Callable[[Path, Path, str], Any]
) -> None:
    """They would get the texts as they are; an address of this machine may be a gateway to another one."""
    with LLMServer(models=("model",)) as server:
        with pytest.raises(InputError, match="gets the texts as they are"):
            call(source, tmp_path, server.spec)
        assert server.requests == []
    assert not (tmp_path / "new").exists()


def test_links_of_such_an_encoder_are_not_named_with_masks(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    with LLMServer(answer, embed=lambda text: [float(len(text)), text.count("e"), 1.0]) as server:
        discover(source, goal="trouble", encoder=server.spec, n_factors=2, tune="none", out=run)
        n_before = len(server.requests)
        with pytest.raises(InputError, match="gets the texts as they are"):
            redo(Run.open(run), "factor", {"llm": server.spec, "encoder": server.spec}, redact=True)
        assert len(server.requests) == n_before
    assert not Run.open(run).is_redacted


def test_a_missing_package_is_one_line_before_anything_is_written(tmp_path: Path, source: Path) -> None:
    code = (
        "import sys; sys.modules['phonenumbers'] = None; from goalspace.cli import main; "
        f"main(['discover', {str(source)!r}, '--goal', 'g', '--redact', '-o', {str(tmp_path / 'run')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'goalspace[redact]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_is_masked_and_writes_nothing(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    done = goalspace(
        *(
            "discover",
            source,
            "--goal",
            "g",
            "--llm",
            "http://127.0.0.1:9/v1#m",
            "--redact",
            "--dry-run",
            "-o",
            run,
        )
    )
    assert done.returncode == 0, done.stderr
    assert "masked  e-mail addresses, phone numbers, payment cards and IBANs, as far as" in done.stdout
    assert not run.exists()


def test_any_llm_can_be_masked(tmp_path: Path) -> None:
    prompts: list[str] = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        return prompt

    llm = get_llm(FunctionLLM(reply), cache=tmp_path / "llm.sqlite", redactor=Redactor(tmp_path))
    assert llm.complete(["to anna@example.com", "to anna@example.com"])[1].text == "to [EMAIL-1]"
    assert prompts == ["to [EMAIL-1]"]
    assert isinstance(
        propose(
            Corpus.read(TEXTS),
            goal="g",
            llm=FunctionLLM(lambda p: answer({"messages": [{"content": p}]})),
            redact=True,
        ),
        Proposals,
    )
