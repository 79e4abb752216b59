"""What else a check tells of a bucket in S3: versions, locks, rules that delete or clean up."""

from collections.abc import Callable
from functools import partial
from typing import Any

from cloudpilot.errors import CloudPilotError
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.vaults.checks import unknown
from cloudpilot.vaults.s3_client import code_of, translated

_NONE = {
    "NoSuchLifecycleConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchObjectLockConfiguration",
}


def findings(s3: Any, bucket: str, prefix: str) -> list[CheckLine]:
    """A line for each; what may not be asked is a warning, never an error."""
    asked: tuple[tuple[str, Any, Callable[[Any], CheckLine]], ...] = (
        ("versions", s3.get_bucket_versioning, _versions),
        ("lock", s3.get_object_lock_configuration, _lock),
        ("rules", s3.get_bucket_lifecycle_configuration, lambda rules: _rules(rules, prefix)),
    )
    return [_asked(about, partial(call, Bucket=bucket), judge) for about, call, judge in asked]


def _asked(about: str, call: Callable[[], Any], judge: Callable[[Any], CheckLine]) -> CheckLine:
    try:
        with translated(f"tell the bucket's {about}"):
            return judge(call())
    except CloudPilotError as error:
        if code_of(error.__cause__) in _NONE:
            return judge({})
        return unknown(about, f"The store does not tell this key the bucket's {about}.")


def _versions(answer: Any) -> CheckLine:
    status = answer.get("Status", "")
    if status != "Enabled":
        return CheckLine("versions", Grade.OK, "The bucket keeps no versions: deleted is gone.")
    sentence = "The bucket keeps versions: CloudPilot deletes its objects by their versions."
    return CheckLine("versions", Grade.OK, sentence)


def _lock(answer: Any) -> CheckLine:
    configured = answer.get("ObjectLockConfiguration", {})
    if configured.get("ObjectLockEnabled") != "Enabled":
        return CheckLine("lock", Grade.OK, "Object Lock is off.")
    kept = configured.get("Rule", {}).get("DefaultRetention", {})
    if not kept:
        return CheckLine("lock", Grade.OK, "Object Lock is on, without a default period.")
    period = f"{kept['Days']} days" if "Days" in kept else f"{kept.get('Years', '?')} years"
    sentence = f"Object Lock keeps every object for {period}, also from CloudPilot."
    remedy = "Nothing to do if that is meant: an expired backup stays until its lock ends."
    return CheckLine("lock", Grade.WARNING, sentence, remedy)


def _rules(answer: Any, prefix: str) -> CheckLine:
    rules = [rule for rule in answer.get("Rules", []) if rule.get("Status") == "Enabled"]
    deleting = [rule for rule in rules if "Expiration" in rule and _concerns(rule, prefix)]
    days = [rule["Expiration"].get("Days") for rule in deleting]
    if any(days):
        sentence = f"A lifecycle rule deletes objects after {min(filter(None, days))} days."
        remedy = (
            "Let CloudPilot delete what has expired: remove the rule, or keep it off the prefix."
        )
        return CheckLine("rules", Grade.WARNING, sentence, remedy)
    if any("AbortIncompleteMultipartUpload" in rule for rule in rules):
        return CheckLine("rules", Grade.OK, "A lifecycle rule cleans up uploads left incomplete.")
    sentence = "No lifecycle rule deletes backups; none cleans up uploads left incomplete either."
    return CheckLine("rules", Grade.OK, sentence)


def _concerns(rule: Any, prefix: str) -> bool:
    """Whether a rule is for keys below our prefix, or for some of them."""
    chosen = rule.get("Filter", {})
    of = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    ours = f"{prefix}/" if prefix else ""
    return bool(ours.startswith(of) or of.startswith(ours))
