"""`make run`: the whole panel on this machine, with a database and a Redis of its own.

Everything lies in `var/panel` (CLOUDPILOT_HOME). Ctrl-C stops all of it.
"""

import os
import sys

from bin.panel import Panel


def main() -> None:
    """Start the panel and say where it is."""
    panel = Panel.prepared("panel")
    print(f"CloudPilot is starting at {panel.url}", flush=True)
    if code := panel.new_setup_code():
        print(f"Open it and create the owner with this set-up code: {code}", flush=True)
    sys.exit(panel.run())


if __name__ == "__main__":
    os.umask(0o077)
    main()
