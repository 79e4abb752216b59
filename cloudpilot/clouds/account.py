"""An account at a cloud provider: where it is and how to get in, as a person has entered it."""

from dataclasses import dataclass

from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Secret


@dataclass(frozen=True, slots=True)
class Account:
    """What a cloud is made of.

    region    AWS only, "eu-central-1": the others list all of theirs
    project   Google's project; Azure's subscription; "" elsewhere
    tenant    Azure's directory; "" elsewhere
    key_id    AWS's access key id; Azure's client id; Google's service account, an e-mail address,
              for who reads the page; "" elsewhere
    secret    AWS's secret access key; DigitalOcean's token; Google's key file, JSON; Azure's
              client secret
    endpoint  `https://host[:port]` of the API; "" for the provider's own
    private   whether addresses that are not the Internet's may be connected to
    """

    kind: CloudKind
    region: str = ""
    project: str = ""
    tenant: str = ""
    key_id: str = ""
    secret: Secret = Secret("")  # noqa: RUF009  (it is frozen)
    endpoint: str = ""
    private: bool = True
