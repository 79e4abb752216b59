"""What is sent to a server to begin a piece of work there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudpilot.secrets import Secret


@dataclass(frozen=True, slots=True)
class Payload:
    """Files of the run's directory, and what the script is told through a pipe."""

    files: Mapping[str, bytes]
    secrets: Mapping[str, Secret] = field(default_factory=dict)
