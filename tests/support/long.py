"""The long form: what proves the same in more combinations, larger sizes or longer times.

`make test` leaves these out, and pytest says how many it has deselected; `make test-long` runs all.
A test is left out whole by the mark `long`. Of those that are named here, which are slow and have
many sets of parameters, the first sets are kept: the usual case comes first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest

KEPT: Mapping[str, Mapping[str, int]] = {
    "tests/downloads/test_browser_links.py": {
        "test_every_link_gives_the_right_bytes": 1,
    },
    "tests/downloads/test_members.py": {
        "test_nothing_outside_of_the_archive_is_given": 3,
    },
    "tests/engine/test_dump_failures.py": {
        "test_a_tool_that_lies_is_found_out": 4,
    },
    "tests/engine/test_excludes.py": {
        "test_a_pattern_leaves_out": 11,
    },
    "tests/engine/test_inspection_postgresql.py": {
        "test_any_name_is_a_name": 4,
        "test_any_password_is_a_password": 4,
    },
    "tests/engine/test_restore_kills.py": {
        "test_ended_in_any_stage_nothing_has_happened": 5,
    },
    "tests/engine/test_restore_mariadb.py": {
        "test_whatever_is_killed_undo_brings_all_of_it_back": 4,
    },
    "tests/engine/test_restore_postgresql.py": {
        "test_whatever_is_killed_undo_brings_all_of_it_back": 3,
    },
    "tests/engine/test_tree_uploads.py": {
        "test_a_tree_that_was_changed_since_is_not_sent_as_what_was_made": 2,
    },
    "tests/engine/test_uploading_failures.py": {
        "test_a_no_is_said_at_once": 4,
        "test_what_passes_is_tried_again": 3,
    },
    "tests/engine/test_uploading_providers.py": {
        "test_what_passes_is_tried_again": 8,
    },
    "tests/jobs/test_restored_databases.py": {
        "test_beside_the_one_that_is_there": 1,
        "test_from_a_vault": 1,
        "test_killed_in_place_it_is_all_done_or_all_undone": 1,
        "test_killed_it_is_put_back": 2,
    },
    "tests/jobs/test_upload.py": {
        "test_a_backup_is_uploaded_while_it_is_made_and_proven": 2,
        "test_a_completed_backup_is_pushed_later": 1,
        "test_a_copy_on_the_server_goes_days_after_its_upload": 1,
        "test_a_deletion_empties_the_vault_though_the_server_is_away": 2,
        "test_a_planned_removal_that_a_person_takes_over_deletes_all": 1,
        "test_a_stopped_upload_leaves_nothing_in_the_vault": 2,
        "test_a_wrong_secret_fails_the_upload_and_not_the_backup": 1,
        "test_an_upload_whose_process_is_killed_goes_on": 1,
        "test_the_copy_on_the_server_stays_if_the_vault_has_lost_its_own": 1,
        "test_what_is_in_the_vault_is_what_is_on_the_server": 2,
        "test_what_is_replaced_before_all_is_proven_is_no_upload": 1,
        "test_what_is_streamed_and_cannot_be_sent_is_no_backup": 1,
        "test_what_is_streamed_is_completed_only_with_the_vaults_word": 1,
    },
    "tests/jobs/test_upload_in_doubt.py": {
        "test_what_was_sent_is_kept_until_the_vault_can_be_asked": 2,
    },
    "tests/journeys/test_canaries.py": {
        "test_no_secret_of_a_vault_is_seen": 1,
    },
    "tests/journeys/test_main_job.py": {
        "test_killed_while_it_is_started_it_completes_once": 4,
        "test_killed_while_the_server_packs_it_completes_once": 3,
    },
    "tests/web/test_browser.py": {
        "test_no_page_overflows_or_complains_and_all_text_is_legible": 4,
    },
    "tests/web/test_doctor_pages.py": {
        "test_everybody_can_read_what_the_doctor_says": 1,
    },
    "tests/web/test_everywhere.py": {
        "test_axe_finds_nothing_at_other_moments": 2,
        "test_axe_finds_nothing_on_any_page": 1,
    },
    "tests/web/test_files.py": {
        "test_folders_look_right_everywhere": 1,
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what is left to the long form")


@pytest.hookimpl(trylast=True)  # what others mark counts
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long") or _are_named(config):
        return
    kept = _short(items)
    left_out = [item for item in items if item not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item in kept]


def _are_named(config: pytest.Config) -> bool:
    """Who asks for one test by its name gets it, also in its other combinations."""
    return any("::" in word for word in config.args)


def _short(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Of each test that is named the sets are taken evenly, the first one among them."""
    sets: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not item.get_closest_marker("long"):
            sets[item.nodeid.partition("[")[0]].append(item)
    kept = set()
    for name, found in sets.items():
        path, _, function = name.partition("::")
        count = min(KEPT.get(path, {}).get(function, len(found)), len(found))
        kept |= {found[number * len(found) // count] for number in range(count)}
    return kept
