"""A local endpoint that answers TopicGPT and LLooM with properties recorded from a large LLM.

The recording holds a list of properties for every text, the most important one first. It answers the two steps that
ask what a text is about: LLooM's bullet points and TopicGPT's topics of a text. Every other step asks for a judgement
that was not recorded; MiniLM cosines between properties replace it:

===================== ==============================================================================================
TopicGPT, generation  the nearest listed topic to the first property, if the cosine is at least `SAME`; else that
                      property
TopicGPT, refinement  a pair of topics is merged into its first if their cosine is at least `SAME`
TopicGPT, assignment  the nearest topic to each property with a cosine of at least `SAME`, and always the nearest
                      overall; the quote is the sentence that shares the most words with the property
LLooM, synthesis      the properties nearest to the centres of k-means on the bullet points
LLooM, selection      the concepts that are nearest to the most recorded properties
LLooM, scoring        the cosine between the concept and the nearest property of the text, in five `GRADES`
===================== ==============================================================================================

The results therefore show what the two procedures make of the same proposals, not what they achieve with an LLM.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

from bench.kit.datasets import embed

SAME = 0.5  # least cosine of properties that count as one topic; TopicGPT asks about pairs of topics above it
GRADES = ((0.6, "A"), (0.5, "B"), (0.4, "C"), (0.3, "D"))  # least cosines, from "strongly agree" down; else E

# TopicGPT's package has no prompts: these have the slots that it fills and request the reply format that it parses.
GENERATION = """[Topics]
{Topics}

[Document]
{Document}
[End of document]

Which general topics is the document about? Take those of the list that fit, and add what is missing.
Answer with lines of the form: [1] Topic: description"""
REFINEMENT = """[Topics]
{Topics}
[End of topics]

Which of these topics are the same?
Answer with lines of the form: [1] Merged topic: description ([1] Topic, [1] Topic)"""
ASSIGNMENT = """[Topics]
{tree}

[Document]
{Document}
[End of document]

Which of the topics is the document about?
Answer with lines of the form: [1] Topic: reason ("quote")"""


class RecordedReplies:
    """The endpoint, a context manager that listens at `url`; `recorded` holds the properties of every text.

    On exit it raises LookupError if a prompt could not be answered, because both peers ignore failed requests.
    """

    def __init__(self, recorded: Mapping[str, Sequence[str]]) -> None:
        properties = sorted({each for own in recorded.values() for each in own})
        self._vectors = embed(properties)
        self._row = {topic_name(each): row for row, each in enumerate(properties)}
        self._names = {text: [topic_name(each) for each in own] for text, own in recorded.items()}
        self._steps = {  # phrase of a prompt → the step that answers it
            '"bullets"': self._summarize,
            '"patterns"': self._synthesize,
            '"selected"': self._select,
            '"pattern_results"': self._score,
            "Which general topics is the document about?": self._generate,
            "Which of these topics are the same?": self._merge,
            "Which of the topics is the document about?": self._assign,
        }

    def __enter__(self) -> Self:
        self.refused: list[str] = []
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if self.refused and kind is None:
            raise LookupError(self.refused[0])

    @property
    def url(self) -> str:
        """Base URL for clients of the OpenAI API."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def vectors(self, names: Sequence[str]) -> np.ndarray:
        """Return the MiniLM vectors (n_names, 384) of recorded properties, named as by `topic_name`."""
        return self._vectors[[self._row[name] for name in names]]

    def reply(self, prompt: str) -> str:
        """Answer a prompt; raise LookupError if its kind is unknown or its text has no recorded properties."""
        phrase = max(self._steps, key=prompt.rfind)  # the question follows the texts, which may hold anything
        if phrase not in prompt:
            raise LookupError("This is not a prompt of TopicGPT or LLooM.")
        return self._steps[phrase](prompt)

    # --- LLooM, whose package has prompts ---------------------------------------------------------

    def _summarize(self, prompt: str) -> str:
        text = between(prompt, "I have the following TEXT EXAMPLE:\n", "\n\nPlease summarize the main point")
        return json.dumps({"bullets": self._of(text)})

    def _synthesize(self, prompt: str) -> str:
        from sklearn.cluster import KMeans

        examples = _braced(between(prompt, "text examples:\n", "\n\nPlease write a summary of"))
        vectors = self.vectors([each["example"] for each in examples])
        most = _number(prompt, "Please write a summary of ")  # "1 unique topic", "up to 16 unique topics"
        n_patterns = min(most, len(np.unique(vectors, axis=0)))
        model = KMeans(n_patterns, n_init=1, random_state=0).fit(vectors)
        patterns = []
        for row in model.transform(vectors).T.argsort(axis=1)[:, :2]:
            name = examples[row[0]]["example"]
            ids = [examples[i]["example_id"] for i in row]
            patterns.append({"name": name, "prompt": f"Is this about {name}?", "example_ids": ids})
        return json.dumps({"patterns": patterns})

    def _select(self, prompt: str) -> str:
        names = re.findall(r"^- Name: (.+), Prompt: ", prompt, re.MULTILINE)
        most = _number(prompt, "Please select AT MOST ")
        nearest = _cosines(self._vectors, self.vectors(names)).argmax(axis=1)
        order = np.argsort(-np.bincount(nearest, minlength=len(names)), kind="stable")
        return json.dumps({"selected": [names[i] for i in order[:most]]})

    def _score(self, prompt: str) -> str:
        shown = between(prompt, "in a JSON:\n", "\n\n    I also have a pattern named ")
        name = between(prompt, "I also have a pattern named ", " with the following PROMPT")
        concept = self.vectors([name])
        results = []
        for example in _braced(shown)["cur_examples"]:
            cosine = _cosines(self.vectors(self._of(example["example_text"])), concept).max()
            answer = next((grade for least, grade in GRADES if cosine >= least), "E")
            results.append({"example_id": example["example_id"], "rationale": "", "answer": answer})
        return json.dumps({"pattern_results": results})

    # --- TopicGPT, with the prompts above ---------------------------------------------------------

    def _generate(self, prompt: str) -> str:
        leading = self._of(_document(prompt))[0]
        topics = read_topics(between(prompt, "[Topics]\n", "\n\n[Document]"))
        if topics:
            cosines = _cosines(self.vectors([leading]), self.vectors(topics))[0]
            if cosines.max() >= SAME:
                leading = topics[cosines.argmax()]
        return f"[1] {leading}: {leading}"

    def _merge(self, prompt: str) -> str:
        topics = read_topics(between(prompt, "[Topics]\n", "\n[End of topics]"))
        pairs = zip(topics[::2], topics[1::2], strict=True)  # TopicGPT shows them pair by pair
        merged = [
            f"[1] {one}: {one} ([1] {one}, [1] {other})"
            for one, other in pairs
            if _cosines(self.vectors([one]), self.vectors([other]))[0, 0] >= SAME
        ]
        return "\n".join(merged) or "None"

    def _assign(self, prompt: str) -> str:
        text = _document(prompt)
        own, topics = self._of(text), read_topics(between(prompt, "[Topics]\n", "\n\n[Document]"))
        cosines = _cosines(self.vectors(own), self.vectors(topics))
        lines: dict[str, str] = {}
        for row in np.argsort(-cosines.max(axis=1), kind="stable"):
            if not lines or cosines[row].max() >= SAME:
                topic = topics[cosines[row].argmax()]
                lines.setdefault(topic, f'[1] {topic}: {own[row]} ("{quote(text, own[row])}")')
        return "\n".join(lines.values())

    # --- the recording ----------------------------------------------------------------------------

    def _of(self, text: str) -> list[str]:
        if not self._names.get(text):
            raise LookupError(f"No properties were recorded for the text '{text[:60]}'.")
        return self._names[text]


def _cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the cosines (n_vectors, n_others), rounded, so that ties are ties on every processor."""
    return np.asarray((vectors @ others.T).round(5))


def topic_name(property: str) -> str:
    """Return a property reduced to the letters, digits and spaces that TopicGPT allows in a topic."""
    return " ".join(re.sub(r"[^\w\s]", " ", property).split())


def read_topics(lines: str) -> list[str]:
    """Return the topics of lines such as ``[1] Topic: description``, the format that TopicGPT uses."""
    return re.findall(r"^\[1\] ([\w\s]+?)(?=:|$)", lines, re.MULTILINE)


def quote(text: str, property: str) -> str:
    """Return the sentence of the text that shares the most words with a property."""
    words = set(property.lower().split())
    sentences = re.split(r"(?<=[.;!?])\s*", text)
    return max(sentences, key=lambda each: len(words.intersection(re.findall(r"\w+", each.lower()))))


def between(prompt: str, start: str, end: str) -> str:
    """Return what is between the first `start` and the last `end`, since a text between them may hold both."""
    return prompt[prompt.index(start) + len(start) : prompt.rindex(end)]


def _number(prompt: str, after: str) -> int:
    """Return the first number in a prompt after the last occurrence of `after`."""
    found = re.search(r"\d+", prompt[prompt.rindex(after) :])
    if not found:
        raise LookupError(f"The prompt has no number after '{after}'.")
    return int(found[0])


def _document(prompt: str) -> str:
    return between(prompt, "\n[Document]\n", "\n[End of document]")


def _braced(shown: str) -> Any:
    """Read JSON in which LLooM doubled the braces."""
    return json.loads(shown.replace("{{", "{").replace("}}", "}"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, replies: RecordedReplies) -> None:
        self.replies = replies
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """Chat completions of the OpenAI API; a prompt that cannot be answered gets a 400 with the reason."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            content = self.server.replies.reply(body["messages"][-1]["content"])
        except (LookupError, ValueError) as error:
            self.server.replies.refused.append(str(error))
            self._send(400, {"error": {"message": str(error), "type": "invalid_request_error"}})
            return
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        header = {"id": "recorded", "object": "chat.completion", "created": 0, "model": "recorded"}
        self._send(200, {**header, "choices": [choice], "usage": usage})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Do not print requests."""
