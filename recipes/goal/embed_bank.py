"""Encode the property bank and write src/goalspace/data/goal_bank.safetensors.

python -m recipes.goal.embed_bank        # after train and make_bank, whenever one of them has changed its file
"""

from __future__ import annotations

from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.stored import save_stored
from goalspace.proposals.bank import load_bank
from goalspace.vectors.geometry import normalize
from recipes.goal.train import SHIPPED

STORED = SHIPPED.with_name("goal_bank.safetensors")

if __name__ == "__main__":
    bank, encoder = (
        load_bank(),
        GoalEncoder("any", adapter=SHIPPED),
    )  # a file is never looked up among the stored vectors
    vectors = normalize(encoder.encode_properties(bank.properties)[:, : MiniLM.dim])
    save_stored(bank.properties, vectors, MiniLM().encode([text for _, text in bank.questions]), STORED)
    print(f"wrote {STORED}")
