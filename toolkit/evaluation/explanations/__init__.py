"""Which parts of a row moved its prediction, and which columns a model depends on.

By occlusion (Zeiler & Fergus 2014; Li, Monroe & Jurafsky 2016, "representation erasure"): a part's
contribution is what the explained score loses without it. Integrated gradients (Sundararajan et al.
2017; captum has them) need the inside of a model: they know no trees, no exports to ONNX and no
pipeline of a stranger's plugin. This asks for predictions alone, and is the same for all of them.
"""

from toolkit.evaluation.explanations.importance import Importance, importance
from toolkit.evaluation.explanations.occluding import Explanation, explain, require_explained
from toolkit.evaluation.explanations.stopwatch import Stopwatch

__all__ = ["Explanation", "Importance", "Stopwatch", "explain", "importance", "require_explained"]
