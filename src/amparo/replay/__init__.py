"""The synthetic, entirely benign operation with its ground truth.

`build` writes a whole seized operation (phones, cards, laptops, a web page, a press report) into
a folder; `open_truth` reads what is true about it. Pictures are invented rooms, objects,
landscapes and patterns; phone numbers come from ranges that reach nobody; every name is a token.
"""

from amparo.replay.builder import build
from amparo.replay.scale import SCALES, Scale
from amparo.replay.truth import open_truth

__all__ = ["SCALES", "Scale", "build", "open_truth"]
