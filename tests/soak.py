"""Whether the suite takes its time: `SYNTHTRAIL_SOAK=1` runs everything of what otherwise is a sample (`make soak`)."""

import os

SOAK = os.environ.get("SYNTHTRAIL_SOAK") == "1"
