"""MCDRL on endoscopy (arXiv 2508.05008), the reference configuration.

::

    python -m recipes.endoscopy_mcdrl train
    python -m recipes.endoscopy_mcdrl train --data FOLDER --holdout Kvasir-SEG
"""
