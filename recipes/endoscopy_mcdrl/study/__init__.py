"""The paper's evidence: leave-one-site-out over methods, backbones and seeds, one command a table.

A study is a folder of finished cells; a table is a query over their images. See docs/study.md.
"""
