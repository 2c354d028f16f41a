"""`python -m coatcheck`, the same as the command `coatcheck`."""

import sys

from coatcheck.cli import main

if __name__ == "__main__":
    sys.exit(main())
