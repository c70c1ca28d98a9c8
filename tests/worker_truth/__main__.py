"""`python -m tests.worker_truth`: checks that the worker reports the truth. The exit code is 1 if a check fails.

    python -m tests.worker_truth                     # every case, in a temporary folder
    python -m tests.worker_truth --only disk,log     # cases whose name contains one of these words

It tests a missing or hanging ffmpeg, a full disk, a deleted lock, SIGKILL and continuing with another memory policy,
previews that raise, and logs and caches that exceed their limits. Workers and jobs are separate processes. It runs on
Linux. Jobs with the demo model take a few minutes on a CPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path

from tests.worker_truth import disks, ffmpegs, going_on, growth, locks
from tests.worker_truth.case import Case

CASES: list[Case] = [*ffmpegs.CASES, *disks.CASES, *locks.CASES, *going_on.CASES, *growth.CASES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD,WORD", help="words in the cases' names")
    words = parser.parse_args().only.split(",")
    chosen = [case for case in CASES if any(word in case.name for word in words)]
    failed = 0
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="motionclone-worker-", ignore_cleanup_errors=True) as folder:
            os.environ["MOTIONCLONE_DATA"] = f"{folder}/data"
            try:
                holds, figures = case.tried(Path(folder))
            except Exception as error:  # the other cases still run
                traceback.print_exc()
                holds, figures = False, f"{type(error).__name__}: {error}"[:300]
        failed += not holds
        print(f"{'holds ' if holds else 'FAILED'}  {case.name:70} {figures.replace(folder, '...')}", flush=True)
    print(f"{len(chosen)} cases, {failed} failed.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
