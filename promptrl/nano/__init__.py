"""nano: the tiny language model that ships with promptrl, its corpus and its training.

Nothing here is imported by the rest of the package; ``WEIGHTS`` is where the weights lie, a standard Hugging Face
folder. How the model was made and what it can do is in ``MODEL_CARD.md`` beside this file.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
