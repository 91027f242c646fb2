"""Plain training: nothing but the segmentation loss."""

from __future__ import annotations

from deconfound.rivals.base import Rival, rivals


@rivals.register("plain")
class Plain(Rival):
    """Empirical risk minimisation over all training sites together.

    Hard to beat where models and selection are treated alike (Gulrajani and Lopez-Paz, "In search
    of lost domain generalization", ICLR 2021, arXiv 2007.01434).
    """

    title = "Plain"
    source = "empirical risk minimisation"
    adapted = "nothing; its learning rate is searched in place of a hyper-parameter of its own"
    grid = ({"lr_factor": 1.0}, {"lr_factor": 0.5}, {"lr_factor": 2.0})
