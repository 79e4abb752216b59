"""How gunicorn serves the panel; it finds this file by its name, in the folder it is started in."""

import gc
import os
import sys

from cloudpilot.settings import MisconfiguredError, from_environment, listening

wsgi_app = "wsgi:app"
bind, _faults = listening(os.environ)
worker_class = "gthread"
threads = 16
workers = 1  # more of them are more processes: start `web` as often as wanted
# A request that is under way at SIGTERM may go on for so long. A PaaS kills after thirty seconds; a
# download that has not ended by then breaks off, and its reader sees that it did.
graceful_timeout = 20
# Load balancers keep idle connections for 60 to 90 seconds, to use them again. Who closes first, at
# the moment a request comes, has lost it: that must not be us. An idle one holds no thread.
keepalive = 95
accesslog = "/dev/null"
worker_tmp_dir = "/dev/shm"  # noqa: S108  (a disk that is busy must not make a heartbeat late)
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Ends the start: a worker that cannot begin would be started again and again."""
    faults = list(_faults)
    try:
        from_environment(os.environ)
    except MisconfiguredError as found:
        faults.insert(0, str(found))
    if faults:
        sys.exit("\n".join(faults))


def post_worker_init(_worker: object) -> None:
    """What is loaded now stays for good. To look through all of it for what may go takes a tenth of
    a second, in the middle of somebody's page."""
    gc.collect()
    gc.freeze()
