"""Encode the property bank with multilingual-e5-small and write src/goalspace/data/multilingual_goal.safetensors.

python -m recipes.goal.embed_multilingual        # after make_bank has changed its file
"""

from __future__ import annotations

from goalspace.encoders.multilingual_goal import FILE, save_arrays
from goalspace.proposals.bank import load_bank
from recipes.goal.train import SHIPPED

if __name__ == "__main__":
    path = SHIPPED.with_name(FILE)
    save_arrays(
        {
            aspect.name: (aspect.questions, [item.text for item in aspect.properties])
            for aspect in load_bank().aspects
        },
        path,
    )
    print(f"wrote {path}")
