"""Let `python -m actorq` be the command `actorq`."""

import sys

from actorq.cli import main

if __name__ == "__main__":
    sys.exit(main())
