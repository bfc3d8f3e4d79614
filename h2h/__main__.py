"""`python -m h2h` is `h2h`; what lies in the current folder, which may be a watched one, is not imported for it."""

import os
import sys

sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]

from h2h.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
