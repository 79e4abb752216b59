"""What the panel's processes begin with in tests: Python imports this file by its name.

A lease may be shorter than the longest job, so that nobody waits for 42 seconds after a worker was
killed; names below `localhost` are known; and where TEST_RINGS says so each ring is sent so often.
"""

import os
import sys

from cloudpilot import options
from tests.support.names import below_localhost

if "pytest" not in sys.modules:  # which imports it, too, when it looks for tests
    options.SHORTEST_LEASE = 1
    known = below_localhost()
    known.__enter__()

    if times := int(os.environ.get("TEST_RINGS", "1")) - 1:
        from cloudpilot.jobs.queue import JsonQueue

        once = JsonQueue.enqueue_call

        def often(*arguments: object, **options: object) -> object:
            """All of them, and the first one's answer."""
            for _ in range(times):
                once(*arguments, **options)  # type: ignore[arg-type]
            return once(*arguments, **options)  # type: ignore[arg-type]

        JsonQueue.enqueue_call = often  # type: ignore[method-assign,assignment]
