"""Fuzzing of every entrance through which hostile bytes come in, guided by coverage.

``python -m fuzz --help`` says how to run it; :mod:`fuzz.target` how a harness is written. The harnesses
stand by room in the modules beside this one: one function for each entrance.
"""

import sys
from pathlib import Path

# The tests' makers of benign databases, pictures, disks and backups are the seeds here too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
