"""English function words that do not start or end a phrase."""

from __future__ import annotations

# scikit-learn's list has only the parts of contractions
CONTRACTIONS = frozenset(
    [
        "can't",
        "won't",
        "don't",
        "didn't",
        "doesn't",
        "isn't",
        "wasn't",
        "aren't",
        "weren't",
        "couldn't",
        "wouldn't",
        "shouldn't",
        "haven't",
        "hasn't",
        "hadn't",
        "i'm",
        "i've",
        "i'd",
        "i'll",
        "it's",
        "that's",
        "there's",
        "you're",
        "you've",
        "we're",
        "we've",
        "we'll",
        "they're",
        "they've",
        "let's",
        "what's",
    ]
)
DETERMINERS = frozenset(
    ["a", "an", "the", "my", "our", "your", "his", "her", "its", "their", "this", "that", "these", "those"]
)
