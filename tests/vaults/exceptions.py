"""What a stand-in of a provider cannot show: reviewed, with the reason and who shows it instead."""

from typing import NamedTuple


class Known(NamedTuple):
    """`shown_by` is a test, `file.py::name`, that runs where this clause does not."""

    why: str
    shown_by: str


_SESSION = "Google's session is an address without signature or end; that is its promise, too"
_LAST_PART = "the last part makes the object at Google, and `complete` proves it"
_NO_LIST = "Google has no list of open sessions; each is asked by its address"
_CANCELLED = "test_gcs.py::test_a_session_that_was_cancelled_takes_nothing"

# Of (server, clause), or one of its cases. test_exceptions.py sees to it that both ends exist.
EXCEPTIONS: dict[tuple[str, str], Known] = {
    ("gcs", "test_nothing_is_visible_before_it_is_complete"): Known(
        _LAST_PART, "contract.py::test_nothing_is_visible_before_the_last_part"
    ),
    ("gcs", "test_a_part_can_be_sent_again"): Known(
        _LAST_PART, "test_gcs.py::test_how_far_the_store_has_got_can_be_asked_by_a_server"
    ),
    ("gcs", "test_an_upload_is_open_until_it_is_aborted"): Known(_NO_LIST, _CANCELLED),
    ("gcs", "test_an_upload_that_the_list_names_can_be_aborted"): Known(_NO_LIST, _CANCELLED),
    ("gcs", "test_an_expired_request_is_refused_and_another_is_given"): Known(_SESSION, _CANCELLED),
    ("gcs", "test_a_forged_signature_is_refused"): Known(
        _SESSION, "contract.py::test_an_address_for_reading_is_for_one_object_and_for_reading"
    ),
    ("azurite", "test_a_missing_or_wrong_receipt_completes_nothing[another md5]"): Known(
        "Azurite does not answer with the MD5 of a block, as Azure does",
        "test_azure_blob.py::test_another_md5_in_an_answer_completes_nothing",
    ),
    ("rclone", "test_a_range_of_it_can_be_read"): Known(
        "rclone answers a range with status 200", "test_s3.py::TestS3OfCeph"
    ),
    ("rclone", "test_a_part_can_be_sent_again"): Known(
        "rclone has passed the part on and refuses another", "test_s3.py::TestS3OfCeph"
    ),
    ("spaces", "test_a_long_list_is_whole_and_in_order"): Known(
        "the same code and the same server as S3's", "test_s3.py::TestS3OfCeph"
    ),
}
