"""``python -m defectmap`` is the command line."""

import sys

from defectmap.cli import main

if __name__ == "__main__":
    sys.exit(main())
