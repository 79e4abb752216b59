"""The check of a cloud: what its credentials may do, tried without making anything."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from cloudpilot.clouds.base import Cloud
from cloudpilot.errors import CloudPilotError
from cloudpilot.reports import CheckLine, Grade

REMEDY = "Compare the rights at the provider with the policy that is shown here."
SEEN = 50  # machines and snapshots that one check looks at


def lines(
    cloud: Cloud, rights: Callable[[], Sequence[CheckLine]], *, in_clear: bool
) -> list[CheckLine]:
    """The lines of finding machines and snapshots, then those of `rights`; raises nothing.

    rights  may raise what every method of a cloud does
    """
    found = [_encryption()] if in_clear else []
    for about, look in (
        ("machines", lambda: [_counted("machines", "machine", cloud.instances())]),
        ("snapshots", lambda: [_counted("snapshots", "snapshot of ours", cloud.list())]),
        ("rights", rights),
    ):
        try:
            found += look()
        except CloudPilotError as error:
            found.append(CheckLine(about, Grade.FAILED, str(error), error.remedy, error.code))
            break
    return found


def allowed(about: str, rights: Sequence[str], lacking: Sequence[str]) -> CheckLine:
    """The line of rights, some of which are lacking."""
    if not lacking:
        return CheckLine(about, Grade.OK, f"The credentials may {', '.join(rights)}.")
    sentence = f"The credentials may not {', '.join(lacking)}."
    return CheckLine(about, Grade.FAILED, sentence, REMEDY, "CLOUD_DENIED")


def unknown(about: str, sentence: str) -> CheckLine:
    """The line of what cannot be told without making something."""
    return CheckLine(about, Grade.WARNING, sentence, REMEDY)


def _counted(about: str, noun: str, found: Iterator[object]) -> CheckLine:
    count = sum(1 for _ in islice(found, SEEN))
    more = " or more" if count == SEEN else ""
    words = noun.replace(" of", "s of") if " of" in noun else f"{noun}s"
    return CheckLine(
        about, Grade.OK, f"The credentials show {count}{more} {noun if count == 1 else words}."
    )


def _encryption() -> CheckLine:
    sentence = "The endpoint is http: the credentials travel in clear."
    return CheckLine("encryption", Grade.WARNING, sentence, "Use https.")


def judged(
    making: Sequence[str],
    restoring: Sequence[str],
    lacking: Collection[str],
    may: str = "make, list and delete snapshots",
) -> Sequence[CheckLine]:
    """The lines of rights, by their names at the provider: without those of `restoring` snapshots
    are made all the same. `may` says what those of `making` allow."""
    short = [right for right in making if right in lacking]
    found = [allowed("rights", [may], short)]
    more = [right for right in restoring if right in lacking]
    if more:
        sentence = f"The credentials may not make anything new of snapshots: {', '.join(more)}."
        remedy = "Nothing to do if that is meant: a person does it at the provider."
        return [*found, CheckLine("restore", Grade.WARNING, sentence, remedy)]
    return [*found, allowed("restore", ["make something new of snapshots"], [])]
