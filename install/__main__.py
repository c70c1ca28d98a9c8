"""The entry point. It can be parsed by any Python 3, so that an old one shows a message instead of a syntax error."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the whole reason for this file
    sys.exit(
        "MotionClone needs Python 3.11 or newer; this is Python {}.{}. "
        "Install a newer one from python.org or your package manager, then start the command with it, "
        "for example: python3.13 -m install demo".format(*sys.version_info[:2])  # noqa: UP032
    )

from .commands import main  # noqa: E402 - after the check

sys.exit(main(sys.argv[1:]))
