"""`make demo`: the panel, a private demo server on loopback, and a first real backup.

All data lies in `var/demo`; a second start finds it again. Ctrl-C stops everything.
"""

import os
import sys

from bin.panel import ROOT, Panel


def main() -> None:
    """Start the panel, and beside it the demo server with what is to be seen."""
    panel = Panel.prepared("demo")
    print(f"CloudPilot is starting at {panel.url}", flush=True)
    os.environ.update(panel.environ)
    sys.exit(panel.run(("demo", [sys.executable, str(ROOT / "bin" / "demo_server.py")])))


if __name__ == "__main__":
    os.umask(0o077)
    main()
