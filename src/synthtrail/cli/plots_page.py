"""Write the page that `dvc plots show` fills, with Vega inside, so that the plots can be read without a network.

`.dvc/config` names this page as `plots.html_template`; `make` writes it once. DVC's own page loads Vega from a CDN.
"""

import argparse
from pathlib import Path

from synthtrail.storage.files import write_text

SNIPPET = "window.vegaEmbed = vegaEmbed;"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>synthtrail: plots</title>
<style>body {{ font-family: sans-serif; margin: 2rem }} table {{ border-spacing: 1rem }}</style>
<script>VEGA</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", type=Path, help="where to write the page")


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    import vl_convert  # noqa: PLC0415 - 50 MB that no other command needs

    script = vl_convert.javascript_bundle(SNIPPET).replace("</script", "<\\/script")
    write_text(arguments.path, PAGE.replace("{{", "{").replace("}}", "}").replace("VEGA", script, 1))
    return 0
