"""What a provider cannot promise, or cannot show: reviewed, with the reason and who shows it."""

from typing import NamedTuple


class Known(NamedTuple):
    """`shown_by` is a test, `file.py::name`, that runs where this clause does not."""

    why: str
    shown_by: str


# Of (provider, clause), or one of its cases. test_exceptions.py sees to it that both ends exist.
EXCEPTIONS: dict[tuple[str, str], Known] = {
    ("aws", "test_started_twice_while_it_is_not_listed_it_is_made_once"): Known(
        "CreateSnapshots takes no token that makes an order one",
        "test_aws.py::test_what_was_made_twice_while_lists_were_late_is_found_and_removed",
    ),
    ("digitalocean", "test_started_twice_while_it_is_not_listed_it_is_made_once"): Known(
        "two snapshots of a volume may have one name; both are found by it",
        "test_digitalocean.py::test_a_droplet_is_not_taken_twice_while_its_snapshot_is_not_listed",
    ),
    ("digitalocean", "test_a_title_is_shown_at_the_provider"): Known(
        "a name is all that it has", "test_digitalocean.py::test_there_is_no_place_for_a_title"
    ),
    ("digitalocean", "test_what_is_being_made_can_be_given_up"): Known(
        "an action cannot be ended",
        "test_digitalocean.py::test_what_is_being_made_is_given_up_when_it_is_made",
    ),
}
