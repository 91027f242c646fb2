"""``python -m deconfound``: the ``deconfound`` command, where its script is not on the path."""

import sys

from deconfound.cli import main

if __name__ == "__main__":
    sys.exit(main())
