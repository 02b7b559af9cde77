"""The dialect of an endpoint: the requests that it is sent, without the parameters that it rejects."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from goalspace.llm.endpoint import describe, is_too_long

_log = logging.getLogger(__name__)

# Parameters that an endpoint may reject, in the order in which error messages are searched for them.
_REFUSABLE = {
    "response_format": re.compile(r"response_format|schema|json_object|grammar|structured output"),
    "max_tokens": re.compile(r"\bmax_tokens\b"),
    "temperature": re.compile(r"\btemperature\b"),
    "seed": re.compile(r"\bseed\b"),
}
_DECLINED = {"content_filter", "content_policy_violation", "invalid_prompt"}

# what the prompts of a series share stands first, for the prompt caches of providers
_SCHEMA_IN_WORDS = (
    "Answer with one JSON object and nothing else. It follows this JSON schema:\n{schema}\n\n{prompt}"
)


class Dialect:
    """Makes the requests to a model, and learns from errors which parameters its endpoint rejects.

    Requests use temperature 0, seed 0 and, with a schema, strict JSON-schema output. Parameters that the endpoint
    rejects are omitted from then on; if JSON-schema output is rejected, the prompt describes the schema.

    Parameters
    ----------
    name
        Identifies the model in messages.
    model
        Its name at the endpoint.
    longest_string
        Maximum length of strings in replies that follow a schema; None sends the schema unchanged.

    Attributes
    ----------
    refused
        What the endpoint rejects: "temperature", "seed", "max_tokens", "json_schema", "json_object".
    """

    def __init__(self, name: str, model: str, *, longest_string: int | None = None) -> None:
        self.name, self.model, self.longest_string = name, model, longest_string
        self.refused: set[str] = set()

    def request(self, prompt: str, schema: dict[str, Any] | None, max_tokens: int) -> dict[str, Any]:
        """Return the body of a request for a chat completion."""
        refused = self.refused.copy()
        request: dict[str, Any] = {"model": self.model}
        request["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = max_tokens
        request |= {name: 0 for name in ("temperature", "seed") if name not in refused}
        if schema is not None:
            if "json_schema" not in refused:
                limited = _limit(schema, self.longest_string) if self.longest_string else schema
                form = {"name": "reply", "strict": True, "schema": limited}
                request["response_format"] = {"type": "json_schema", "json_schema": form}
            else:
                prompt = _SCHEMA_IN_WORDS.format(prompt=prompt, schema=json.dumps(schema, ensure_ascii=False))
                if "json_object" not in refused:
                    request["response_format"] = {"type": "json_object"}
        return request | {"messages": [{"role": "user", "content": prompt}]}

    def learn(self, error: Exception, request: dict[str, Any]) -> bool:
        """Record the part of `request` that the endpoint rejected; return False if the error has another cause."""
        if getattr(error, "status_code", None) not in (400, 422) or is_too_long(error):
            return False
        text, param = str(error).lower(), getattr(error, "param", None)
        named = (
            [param]
            if isinstance(param, str) and param in _REFUSABLE
            else [n for n, words in _REFUSABLE.items() if words.search(text)]
        )
        for name in named:
            if name in request:
                refused = request[name]["type"] if name == "response_format" else name
                if refused not in self.refused:
                    self.refused.add(refused)
                    _log.warning(
                        "%s rejects %s, which is omitted from now on: %s",
                        self.name,
                        refused,
                        describe(error),
                    )
                return True
        return False


def is_declined(error: Exception) -> bool:
    """Return whether an error concerns only what its prompt says, as that of a content filter."""
    return getattr(error, "code", None) in _DECLINED


def _limit(schema: Any, longest: int) -> Any:
    """Return the schema with a `maxLength` for every string without one."""
    if isinstance(schema, list):
        return [_limit(part, longest) for part in schema]
    if not isinstance(schema, dict):
        return schema
    limited = {name: _limit(part, longest) for name, part in schema.items()}
    return {"maxLength": longest, **limited} if schema.get("type") == "string" else limited
