"""DVC stage `sign`: see `synthtrail.stages.sign`."""

import sys

from synthtrail.stages.command import run_sign
from synthtrail.stages.sign import sign

if __name__ == "__main__":
    sys.exit(run_sign(sign))
