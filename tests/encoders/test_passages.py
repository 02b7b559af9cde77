"""Texts longer than the window of an encoder: nothing is lost, passages fit, and short texts are read as before."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from factories import save_tiny_model
from goalspace.encoders.cache import CachedEncoder, embed
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.minilm import MiniLM, find_tokens
from goalspace.encoders.passages import OFF, PassageEncoder
from goalspace.encoders.sentence import SentenceEncoder
from goalspace.errors import InputError
from goalspace.language.passages import Window, split_passages
from goalspace.vectors.geometry import normalize

SHORT = ["The parcel came two weeks late.", " .\n\n ", "中文", "word " * 180]
WORDS = ("house", "water", "light", "garden", "letter", "money")  # each of them is one token
RUN = 17  # a step without a common factor with the windows


def one_line() -> str:
    return " ".join(WORDS[i * RUN % len(WORDS)] for i in range(2_000))


def chinese() -> str:
    return "".join(
        "我们的产品质量很好但是送货太慢了" + "一二三四五六七八九十"[i % 10] + "。" for i in range(60)
    )


def short_lines() -> str:
    return "\n".join(f"line {i}" for i in range(3_000))


def markdown() -> str:
    return "\n\n".join(f"## Part {i}\n\n{f'The router of part {i} is broken. ' * 6}" for i in range(12))


def table() -> str:
    rows = (f"| {i:<30} | {WORDS[i % 6]:<30} | {i * RUN % 97:>20} |" for i in range(120))
    return "\n".join(["| number | word | value |", *rows])


def dialogue() -> str:
    return "\n".join(f"{('AGENT', 'CALLER')[i % 2]}: The invoice number {i} is wrong." for i in range(80))


def encoded_file() -> str:
    return f"Attached:\n{base64.b64encode(random.Random(0).randbytes(9_000)).decode()}\nKind regards"


TEXTS = {f.__name__: f for f in (one_line, chinese, short_lines, markdown, table, dialogue, encoded_file)}


def split(encoder: GoalEncoder | MiniLM, text: str) -> list[str]:
    spans = PassageEncoder(Counter(encoder)).encode_units([text]).spans
    assert spans == sorted(spans)
    return [text[start:end] for start, end in spans]


class Counter:
    """Splits as another encoder does, and embeds nothing."""

    def __init__(self, encoder: GoalEncoder | MiniLM) -> None:
        self.window, self.find_tokens = encoder.window, encoder.find_tokens
        self.count_tokens = encoder.count_tokens
        self.name, self.dim = encoder.name, 1
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.read += texts
        return np.ones((len(texts), 1), dtype=np.float32)


@pytest.mark.parametrize("encoder", [GoalEncoder("what went wrong"), MiniLM()], ids=["goal", "minilm"])
@pytest.mark.parametrize("kind", TEXTS)
def test_no_passage_is_too_long_and_no_character_is_lost(kind: str, encoder: GoalEncoder | MiniLM) -> None:
    text = TEXTS[kind]()
    spans = PassageEncoder(Counter(encoder)).encode_units([text]).spans
    lost = set(range(len(text))).difference(*(range(*span) for span in spans))
    assert not "".join(text[i] for i in lost).strip()
    for start, end in spans:
        assert encoder.window.holds(text[start:end], encoder.find_tokens(text[start:end]))


def test_one_line_without_punctuation_is_cut_between_words() -> None:
    passages = split(GoalEncoder("x"), one_line())
    assert [len(passage.split()) for passage in passages] == [200] * 10
    assert {word for passage in passages for word in passage.split()} == set(WORDS)


def test_chinese_is_cut_between_sentences_and_one_is_repeated() -> None:
    passages = split(GoalEncoder("x"), chinese())
    assert {passage.count("。") for passage in passages[:-1]} == {11}  # of 18 characters
    assert all(passage.startswith("我们的") and passage.endswith("。") for passage in passages)
    last, first = passages[0].split("。")[-2], passages[1].split("。")[0]
    assert last == first


def test_lines_rows_and_turns_stay_whole() -> None:
    for text in (short_lines(), table(), dialogue()):
        lines = set(text.splitlines())
        passages = split(GoalEncoder("x"), text)
        assert len(passages) > 3
        assert {line for passage in passages for line in passage.splitlines()} == lines


def test_paragraphs_stay_whole_and_are_not_repeated() -> None:
    passages = split(GoalEncoder("x"), markdown())
    assert 3 < len(passages) < 12  # several paragraphs each
    assert "\n\n".join(passages) == markdown().strip()


def test_a_long_word_does_not_hide_what_follows() -> None:
    passages = split(GoalEncoder("x"), encoded_file())
    assert len(passages) > 2
    assert "Kind regards" in passages[-1]


def test_texts_that_fit_are_read_as_before_also_beside_long_ones() -> None:
    for encoder in (MiniLM(), GoalEncoder("what went wrong")):
        texts = [SHORT[0], dialogue(), *SHORT[1:]]
        short = [0, *range(2, len(texts))]
        plain, found = encoder.encode(texts), PassageEncoder(encoder).encode(texts)
        np.testing.assert_allclose(found[short], plain[short], atol=1e-6)
        assert np.abs(found[1] - plain[1]).max() > 0.01
        assert np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-6)
        np.testing.assert_array_equal(PassageEncoder(encoder).encode(SHORT), encoder.encode(SHORT))


def test_no_text_is_read_twice() -> None:
    encoder = Counter(MiniLM())
    texts = [SHORT[0], one_line(), SHORT[2]]
    PassageEncoder(encoder).encode(texts)
    assert encoder.read[:2] == [SHORT[0], SHORT[2]]
    assert sum(len(text.split()) for text in encoder.read[2:]) == 2_000


def test_the_vector_of_a_long_text_is_the_weighted_mean_of_its_passages() -> None:
    encoder, text = MiniLM(), markdown()
    vectors, _, spans = PassageEncoder(encoder).encode_units([text])
    mean = sum((end - start) * vector for (start, end), vector in zip(spans, vectors, strict=True))
    np.testing.assert_allclose(PassageEncoder(encoder).encode([text])[0], normalize(mean[None])[0], atol=1e-6)


def test_what_stands_in_the_middle_decides_only_with_passages() -> None:
    filler = "\n\n".join(["The committee met on Tuesday and approved the minutes of its last meeting."] * 25)
    about = "\n\n".join(["The dog barks at the cat, and the cat runs away from the dog."] * 25)
    encoder = MiniLM()
    wanted = encoder.encode(["dogs and cats"])[0]
    text = f"{filler}\n\n{about}\n\n{filler}"
    whole, off = PassageEncoder(encoder).encode([text])[0], PassageEncoder(encoder, OFF).encode([text])[0]
    assert whole @ wanted > off @ wanted + 0.1


def test_a_number_reads_passages_spread_over_the_text() -> None:
    text = one_line()
    encoder = Counter(GoalEncoder("x"))
    spans = PassageEncoder(encoder, 3).encode_units([text]).spans
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    assert len(spans) == 3
    assert (spans[0][0], spans[-1][1]) == (0, len(text))
    assert PassageEncoder(encoder, 3).count([text, *SHORT]) == {
        "n_long": 1,
        "n_passages": 3,
        "n_skipped": 7,
    }
    assert PassageEncoder(encoder).count([text, *SHORT]) == {"n_long": 1, "n_passages": 10}
    assert PassageEncoder(encoder, OFF).count([text, *SHORT]) == {"n_long": 1, "n_passages": 0}


def test_off_reads_each_text_once() -> None:
    encoder = Counter(MiniLM())
    texts = [one_line(), *SHORT]
    PassageEncoder(encoder, OFF).encode(texts)
    assert encoder.read == texts


def test_cached_passages_are_not_read_again(tmp_path: Path) -> None:
    texts = [*SHORT, one_line(), markdown()]
    first = PassageEncoder(CachedEncoder(Counter(MiniLM()), tmp_path, None)).encode(texts)
    again = Counter(MiniLM())
    np.testing.assert_array_equal(PassageEncoder(CachedEncoder(again, tmp_path, None)).encode(texts), first)
    assert again.read == []


def test_embed_reads_long_texts_to_their_end() -> None:
    text = f"{one_line()} zebra"
    plain, whole = (embed([text, "hello"], encoder="minilm", passages=how) for how in (OFF, "auto"))
    np.testing.assert_allclose(plain[1], whole[1], atol=1e-6)
    assert np.abs(plain[0] - whole[0]).max() > 1e-3


@pytest.mark.parametrize("passages", [0, -1, True, "all", None, 2.5])
def test_other_values_are_refused(passages: object) -> None:
    with pytest.raises(InputError, match="'passages' parameter must be auto, off or a number"):
        embed(["hello"], encoder="minilm", passages=passages)  # type: ignore[arg-type]


def test_a_sentence_transformers_model_reads_its_own_window(tmp_path: Path) -> None:
    encoder = SentenceEncoder(save_tiny_model(tmp_path / "model", "bert", [one_line()]))
    encoder.model.max_seq_length = 50
    assert PassageEncoder(encoder).count([one_line(), "parcel router"]) == {"n_long": 1, "n_passages": 40}


@pytest.mark.parametrize("encoder", [GoalEncoder("what went wrong"), MiniLM()], ids=["goal", "minilm"])
def test_tokens_are_counted_as_they_are_found(encoder: GoalEncoder | MiniLM) -> None:
    texts = [*SHORT, *(make() for make in TEXTS.values()), "", "a\n", "\na\r\n\nb", "\ud800 x"]
    np.testing.assert_array_equal(
        encoder.count_tokens(texts), [len(encoder.find_tokens(text)) for text in texts]
    )


def test_random_texts_are_split_without_loss() -> None:
    rng = random.Random(0)
    parts = [
        "word ",
        "unbelievable",
        "  ",
        "\n",
        "\n\n",
        ". ",
        "。",
        "中文",
        "😀",
        "x" * 120,
        "3.50",
        "-",
        "ก" * 30,
    ]
    for _ in range(100):
        text = "".join(rng.choices(parts, k=rng.randint(1, 500))).strip()
        window = Window(rng.choice([120, 200]), rng.choice([300, 4096]))
        spans = split_passages(text, find_tokens(text, line_breaks=True), window)
        lost = set(range(len(text))).difference(*(range(*span) for span in spans))
        assert not "".join(text[i] for i in lost).strip()
        for start, end in spans:
            passage = text[start:end]
            assert window.holds(passage, find_tokens(passage, line_breaks=True))
