"""Which encoder reads the texts, if the user names none: by their languages, and what is installed."""

from __future__ import annotations

from collections.abc import Sequence

from goalspace.encoders.multilingual import is_installed
from goalspace.encoders.registry import is_multilingual
from goalspace.language.detection import ENGLISH, language_shares
from goalspace.text import format_percent

INSTALL = "pip install 'goalspace[multilingual]'"

_MIN_FOREIGN = 0.2  # share of the texts; of collections of names, numbers or code, few texts tell a language


def choose_encoder(texts: Sequence[str], *, tune: str) -> str:
    """Return the spec of the encoder for texts.

    It is "minilm" if it will be fine-tuned, "multilingual" if it is installed and at least as many texts are in other
    languages as in English, and "goal" otherwise.
    """
    if tune == "full":
        return "minilm"
    return "multilingual" if _mostly_foreign(language_shares(texts)) and is_installed() else "goal"


def explain_choice(texts: Sequence[str], encoder: str) -> str | None:
    """Return a sentence on the encoder that was chosen, or what to install for another one; None for English texts."""
    shares = language_shares(texts)
    if not _mostly_foreign(shares):
        return None
    languages = ", ".join(f"{language} {format_percent(share)}" for language, share in shares.items())
    if is_multilingual(encoder):
        return f"The encoder multilingual was chosen because of the languages of the texts: {languages}."
    if is_installed():
        return None
    return f"The texts do not look English ({languages}), all that the encoder reads well. For one that reads them: {INSTALL}"


def _mostly_foreign(shares: dict[str, float]) -> bool:
    foreign = sum(share for language, share in shares.items() if language != ENGLISH)
    return foreign >= max(_MIN_FOREIGN, shares.get(ENGLISH, 0.0))
