"""`python -m emsync` is `emsync`."""

import sys

from emsync.cli import main

if __name__ == "__main__":
    sys.exit(main())
