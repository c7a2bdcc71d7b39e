"""`python -m kthena` is the command `kthena`."""

import sys

from kthena.cli import main

if __name__ == "__main__":
    sys.exit(main())
