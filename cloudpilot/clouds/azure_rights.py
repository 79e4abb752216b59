"""What the credentials may do at Azure, and the least that they must."""

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from cloudpilot.clouds import checks
from cloudpilot.clouds.refusals import understood
from cloudpilot.clouds.rest import Rest
from cloudpilot.errors import CloudDenied, CloudRefused
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine

VERSION = {"api-version": "2022-04-01"}
# https://learn.microsoft.com/azure/role-based-access-control/permissions/compute
MAKING = (
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/beginGetAccess/action",
    "Microsoft.Compute/snapshots/read",
    "Microsoft.Compute/snapshots/write",
    "Microsoft.Compute/snapshots/delete",
)
LOOKING = (
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Authorization/permissions/read",
)
RESTORING = ("Microsoft.Compute/disks/write",)


def lines(rest: Rest, target: str) -> Sequence[CheckLine]:
    """The lines of a check; `target` tells the rights in one resource group.

    https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group
    """
    what = "tell what the credentials may do"
    try:
        found = rest.ask(what, "GET", target, VERSION)
    except (CloudDenied, CloudRefused) as error:
        return [checks.unknown("rights", str(error))]
    with understood(CloudKind.AZURE.brand, what):
        short = lacking(found["value"], [*MAKING, *RESTORING])
    return checks.judged(MAKING, RESTORING, short)


def policy(subscription: str) -> str:
    """A role of the least rights, and how it is given."""
    role = {
        "Name": "CloudPilot snapshots",
        "Description": "Finds machines, makes and deletes snapshots of their disks.",
        "Actions": [*MAKING, *LOOKING],
        "AssignableScopes": [f"/subscriptions/{subscription}"],
    }
    return (
        f"{json.dumps(role, indent=2)}\n\n"
        "az role definition create --role-definition @role.json\n"
        'az ad sp create-for-rbac --name cloudpilot --role "CloudPilot snapshots" \\\n'
        f"  --scopes /subscriptions/{subscription}\n\n"
        "The scope may be resource groups instead: then only their machines are seen.\n"
        f"Only if CloudPilot is to make disks of snapshots, add {', '.join(RESTORING)}.\n"
    )


def lacking(granted: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> set[str]:
    """Which of these actions no entry allows; entries have wild cards, and take some back."""
    entries = list(granted)

    def has(action: str) -> bool:
        return any(
            _among(action, one.get("actions")) and not _among(action, one.get("notActions"))
            for one in entries
        )

    return {action for action in wanted if not has(action)}


def _among(action: str, patterns: Iterable[str] | None) -> bool:
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in patterns or [])
