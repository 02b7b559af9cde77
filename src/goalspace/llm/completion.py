"""Answers of endpoints: the shapes in which OpenAI-compatible servers send a chat completion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goalspace.text import to_line

_MAX_DETAIL = 200  # characters of an answer that is not a completion, for the message
_MAX_TOKENS = 100_000_000  # of one call; larger counts are mistakes


class Unreadable(Exception):
    """An answer with status 200 that holds no completion, such as the HTML page of a gateway; the message says what it holds."""


@dataclass(frozen=True)
class Completion:
    """The reply of a model as an endpoint sent it.

    Attributes
    ----------
    text
        The reply; the words of a refusal, or the arguments of a tool call, if there is no other content.
    prompt_tokens, completion_tokens
        As counted by the endpoint, reasoning included; None if it does not count, or sends nonsense.
    cached_tokens
        How many of the prompt's tokens the provider had cached.
    is_cut
        Whether the reply ended because it became too long.
    """

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int = 0
    is_cut: bool = False


def read_completion(content: bytes) -> Completion:
    """Read the body of an answer.

    Raises
    ------
    Unreadable
        If it holds no completion.
    """
    body = read_body(content, "completion")
    choices = body.get("choices")
    choice = next((c for c in choices if isinstance(c, dict)), None) if isinstance(choices, list) else None
    if choice is None:
        raise Unreadable(f"no completion: {describe_body(body)}")
    prompt_tokens, completion_tokens, cached = _read_usage(body.get("usage"))
    text = _read_message(choice)
    return Completion(
        text.encode("utf-8", "replace").decode(),  # a lone surrogate cannot be stored
        prompt_tokens,
        completion_tokens,
        cached,
        choice.get("finish_reason") in ("length", "max_tokens", "MAX_TOKENS"),
    )


def read_body(content: bytes, what: str) -> dict[str, Any]:
    """Read the JSON object that an answer must be.

    Raises
    ------
    Unreadable
        If it is none; the message names `what` is missing.
    """
    try:
        body = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        begin = to_line(content[:4096].decode("utf-8", "replace"), _MAX_DETAIL)
        raise Unreadable(f"an answer that is not JSON: {begin}" if begin else "an empty answer") from None
    if not isinstance(body, dict):
        raise Unreadable(f"no {what}: {to_line(str(body)[:4096], _MAX_DETAIL)}")
    return body


def describe_body(body: Mapping[str, Any]) -> str:
    """Return what an answer without what was asked for says, as one line."""
    found = body.get("error") or body.get("message") or body.get("detail") or body
    if isinstance(found, dict):
        found = found.get("message") or found
    return to_line(str(found)[:4096], _MAX_DETAIL)


def _read_message(choice: Mapping[str, Any]) -> str:
    """Return the first part of a choice that says something."""
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": message} if isinstance(message, (str, list)) else {}
    calls = message.get("tool_calls")
    called = [c for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []
    parts = (
        message.get("content"),
        *(call.get("function") for call in called),
        message.get("function_call"),
        message.get("refusal"),
        choice.get("text"),
        # some servers put the whole reply here, if the model never closed its reasoning
        message.get("reasoning_content"),
        message.get("reasoning"),
    )
    return next((text for part in parts if (text := _to_text(part)).strip()), "")


def _to_text(part: Any) -> str:
    """Return the text of a string, a list of parts, a part, or a function call."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(_to_text(item) for item in part if not _is_thought(item))
    if isinstance(part, dict):
        for name in ("text", "content", "value", "arguments"):
            value = part.get(name)
            if isinstance(value, (str, list)):
                return _to_text(value)
            if isinstance(value, dict):
                return _to_text(value) or json.dumps(value, ensure_ascii=False)
        return "" if "type" in part or "name" in part else json.dumps(part, ensure_ascii=False)
    return ""


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in ("thinking", "reasoning", "redacted_thinking")


def _read_usage(usage: Any) -> tuple[int | None, int | None, int]:
    """Return the tokens of the prompt and of the reply, and how many of the prompt were cached."""
    if not isinstance(usage, dict):
        return None, None, 0
    prompt = read_count(usage, "prompt_tokens", "input_tokens", "promptTokens")
    reply = read_count(usage, "completion_tokens", "output_tokens", "completionTokens")
    total = read_count(usage, "total_tokens", "totalTokens")
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    thought = read_count(details, "reasoning_tokens") or 0
    if reply is not None:
        # some providers bill reasoning beside the reply, and show it only here or in the total
        reply = max(
            reply, thought + reply if thought > reply else 0, (total or 0) - (prompt or 0) if prompt else 0
        )
    cached = read_count(
        usage.get("prompt_tokens_details") or usage.get("input_tokens_details"), "cached_tokens"
    )
    return prompt, reply, min(cached or 0, prompt or 0)


def read_count(usage: Any, *names: str) -> int | None:
    """Return the first number of tokens under one of the names; None if there is none, or it is nonsense."""
    for name in names:
        value = usage.get(name) if isinstance(usage, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS:
            return int(value)
    return None
