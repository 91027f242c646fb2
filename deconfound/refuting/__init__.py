"""``deconfound refute``: refuters asked about a trained run, with a record and a page of it."""
