"""What an export holds, table by table, and what it does not hold, with the reason.

Both lists are literal: a test fails when a table or a column is in neither of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnClause, TableClause, column, table
from sqlalchemy.schema import Table

from cloudpilot.db import Base
from cloudpilot.exports.sealed import SEALED, Sealed

EXPORTED: Mapping[str, str] = {
    "audit_entries": """
        at action actor person_id address subject subject_id subject_name details
    """,
    "clouds": """
        id name kind region project tenant key_id endpoint secret created_at removed_at
        lines instances checked_at next_check_at
    """,
    "people": "id email name role password_hash created_at disabled_at",
    "status_events": "subject subject_id at old new code detail",
    "vaults": """
        id name kind bucket region endpoint prefix key_id secret path_style equal_parts
        created_at removed_at lines checked_at next_check_at
    """,
    "panel_exports": """
        id vault_id key recipient created_at size sha256 version stored_at gone_at error_code
        error_detail
    """,
    "recovery_keys": """
        id recipient manifest_key ending_hash created_at created_by confirmed_at
    """,
    "servers": """
        id name host port username privilege backup_root backups_at_once public_key
        private_key host_keys offered_host_key expected_host_keys next_public_key
        next_private_key key_made_at created_at checked_at next_check_at removed_at cloud_id
        instance_id instance_name adopted_at
    """,
    "status_addresses": "id token_hash made_by created_at ended_at",
    "checkups": "id server_id at lines facts changes",
    "sites": """
        id server_id name paths excludes compression vault_id streamed method local_days
        rate created_at removed_at preview previewed_at
    """,
    "databases": """
        id site_id engine host port socket user password all_but names created_at removed_at
        findings inspected_at
    """,
    "schedules": """
        id server_id site_id type paths excludes compression cron zone spread_minutes
        retries grace_minutes retention_days keep_last keep_daily keep_weekly keep_monthly
        keep_yearly method incremental full_every full_days vault_id streamed local_days
        rate note created_by created_at paused_at removed_at next_run_at good_at late_at
        late_since
    """,
    "slots": """
        id schedule_id due_at status try_at attempts count until by_hand why error_code
    """,
    "backups": """
        type status server_id site_id server_name site_name paths excludes databases
        compression method retention_days vault_id streamed local_days rate note chain_id
        base_id level state_sha256 schedule_id slot_id requested_by created_at started_at
        finished_at expires_at pinned_at judge_at kept_because delete_requested_at
        deleted_at archive size own_size usual_size tar_size sha256 counts census tools
        warnings warning_count error_code error_detail id
        adopted_at signed_at unverified_why signature
    """,
    "copies": """
        backup_id status place server_id root vault_id cloud_id name parts size sha256
        verified_by verified_at seen_at missing_at missing_why remove_at gone_at error_code
        error_detail id
    """,
    "restores": """
        status backup_id vault_id server_id root paths databases logins into exact safe
        safe_backup_id subject requested_by survey surveyed_at created_at started_at
        finished_at kept_until error_code error_detail id
    """,
    "runs": """
        kind status claim server_id vault_id cloud_id backup_id restore_id requested_by
        subject options stage done total rate log created_at sent_at started_at finished_at
        seen_at next_look_at silent_since attempts stop_requested_at error_code error_detail
        id
    """,
    "vault_objects": """
        id copy_id vault_id attempt name key upload_secret begun_at size sha256 md5 parts
        stored_at etag version verified_by gone_at kept_until
    """,
}

# A table, or a column of one that is exported.
LEFT_OUT: Mapping[str, str] = {
    "setup_codes": "The new panel's own door is shut by the import.",
    "sign_in_failures": "They are counted at the old panel's door.",
    "sessions": "Everybody signs in anew.",
    "one_time_links": "Invitations and reset links are good once, at the panel that made them.",
    "listings": "What archives hold is read from them again.",
    "listing_blocks": "As the listings that they belong to.",
    "imports": "How the old panel was brought back says nothing of the new one.",
    "audit_entries.id": "Numbered anew, in the same order: a new panel has entries of its own.",
    "schedules.doubts": "What stands in the way of a backup is found anew.",
    "schedules.doubted_at": "As what is doubted.",
    "runs.of_old_panel": "Who brings it back marks all that is there.",
    "vault_objects.of_old_panel": "As that of runs.",
    "panel_exports.of_old_panel": "As that of runs.",
    "status_events.id": "Numbered anew, in the same order.",
}

# Rows that a new panel has before anybody has done anything with it.
THERE_BEFORE = ("audit_entries", "status_events")


@dataclass(frozen=True, slots=True)
class Exported:
    """One table of an export.

    rows    what is read and written: its exported columns
    sealed  those of them that only the panel's key opens, by name
    """

    name: str
    table: Table
    rows: TableClause
    sealed: Mapping[str, Sealed]

    @property
    def columns(self) -> list[str]:
        """The names of what is exported of it."""
        return [one.name for one in self.rows.columns]


def exported() -> list[Exported]:
    """All tables in an order in which they can be filled: what is referred to comes first."""
    return [_exported(one) for one in Base.metadata.sorted_tables if one.name in EXPORTED]


def _exported(known: Table) -> Exported:
    names = EXPORTED[known.name].split()
    columns = [_column(known.columns[name]) for name in names]
    sealed = {one.column.key: one for one in SEALED if one.table.__tablename__ == known.name}
    return Exported(known.name, known, table(known.name, *columns), sealed)


def _column(known: Any) -> ColumnClause[Any]:
    """A JSON column has nothing where its row has None, not the word `null`."""
    kind = JSON(none_as_null=True) if isinstance(known.type, JSON) else known.type
    return column(known.name, kind)
