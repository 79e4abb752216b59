"""What the panel's processes begin with in tests: Python imports this file by its name.

A lease may be shorter than the longest job, so that nobody waits for 42 seconds after a worker was
killed; and names below `localhost` are known.
"""

import sys

from cloudpilot import options
from tests.support.names import below_localhost

if "pytest" not in sys.modules:  # which imports it, too, when it looks for tests
    options.SHORTEST_LEASE = 1
    known = below_localhost()
    known.__enter__()
