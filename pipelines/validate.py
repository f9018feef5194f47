"""DVC stage `validate`: see `synthtrail.stages.validate`."""

import sys

from synthtrail.stages.command import run_stage
from synthtrail.stages.validate import validate

if __name__ == "__main__":
    sys.exit(run_stage("validate", validate, sys.argv[1:]))
