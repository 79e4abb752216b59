"""The web process: `gunicorn wsgi:app`. Also what `flask --app wsgi …` loads."""

import os
import sys

from cloudpilot import create_app, log
from cloudpilot.settings import MisconfiguredError, from_environment

log.configure()
try:
    settings = from_environment(os.environ)
except MisconfiguredError as faults:
    sys.exit(str(faults))
log.configure(known=settings.secrets())
app = create_app(settings)
