"""What uploads say to servers and hear from them, as text."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudpilot.engine import uploading
from cloudpilot.engine.answers import parse as parse_look
from cloudpilot.engine.program import REMOTE
from cloudpilot.engine.requests import line
from cloudpilot.engine.uploading import Item, Request, Sending, Sent, parse
from cloudpilot.errors import CommandFailed, InvalidConfig
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls
from cloudpilot.vaults.plans import MIB

ARCHIVE = Item("archive", "a.tar.gz", ((16, 2), (128, 3)))
WHAT = Sending("u1", (ARCHIVE,), None, size=7, sha256="a" * 64)
MD5 = "0cc175b9c0f1b6a831c399e269772661"
WORDS = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc", "Cf", "Zl", "Zp"],
        include_characters="\u200c\u200d",
    ),
    min_size=1,
    max_size=30,
).filter(lambda text: not has_controls(text))
HEADERS = st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple)


def bash(code: str, given: str, script: str = "curl.sh") -> str:
    """With that script, and `given` as standard input."""
    program = f'. "$1"; {code}'
    done = subprocess.run(
        ["bash", "-uc", program, "bash", REMOTE / script],
        input=given.encode(), capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode()


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS, HEADERS, HEADERS, HEADERS)
def test_a_request_arrives_as_it_is(
    url: str, method: str, headers: Any, final: Any, ask: Any
) -> None:
    request = Request(7, Secret(url), headers, method, final, ask)
    code = (
        'unpack "$(cat)"; printf "%s\\n" "$method" "$url" "${#headers[@]}" "${headers[@]}"'
        ' "${#final[@]}" "${final[@]}" "${#ask[@]}" "${ask[@]}"'
    )
    expected = [method, url]
    for some in (headers, final, ask):
        expected += [str(2 * len(some)), *(word for pair in some for word in pair)]
    assert bash(code, line(request)).split("\n")[:-1] == expected


@settings(max_examples=40, deadline=None)
@given(WORDS)
def test_curl_reads_an_address_as_it_is(text: str) -> None:
    """Backslashes and quotes are the only characters that mean something to it."""
    said = bash('config PUT "$(cat; printf x)" | sed -n 2p', text)
    inside = said.removeprefix('url = "').removesuffix('x"\n')
    assert unquoted(inside) == text


def unquoted(text: str) -> str:
    """As curl does it."""
    found, characters = "", iter(text)
    for one in characters:
        assert one != '"'
        found += next(characters) if one == "\\" else one
    return found


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\x1fb", "", "a\u2028b"])
def test_a_request_that_would_be_read_as_another_is_refused(bad: str) -> None:
    for request in (
        Request(1, Secret(bad), ()),
        Request(1, Secret("x"), (("a", bad),)),
        Request(1, Secret("x"), ((bad, "a"),)),
        Request(1, Secret("x"), (), final=((bad, "a"),)),
        Request(1, Secret("x"), (), ask=(("a", bad),)),
        Request(1, Secret("x"), (), method=bad),
    ):
        with pytest.raises(InvalidConfig):
            uploading.secrets({"archive": [request]}, seconds=60)


@pytest.mark.parametrize(("name", "seconds"), [("other", 1), ("../x", 1), ("archive", 0)])
def test_requests_are_for_an_item_and_a_time(name: str, seconds: int) -> None:
    with pytest.raises(InvalidConfig):
        uploading.secrets({name: []}, seconds=seconds)


@pytest.mark.parametrize(
    "changes",
    [
        {"upload_id": "../x"},
        {"upload_id": ""},
        {"following": "a/b"},
        {"items": ()},
        {"items": (Item("index", "x", ((1, 1),)),)},
        {"items": (ARCHIVE, Item("manifest", "x", ((1, 1),)), Item("index", "x", ((1, 1),)))},
        {"items": (replace(ARCHIVE, file="../x"),)},
        {"items": (replace(ARCHIVE, file="a b"),)},
        {"items": (replace(ARCHIVE, tiers=()),)},
        {"items": (replace(ARCHIVE, tiers=((0, 1),)),)},
        {"size": None},
        {"sha256": None},
        {"sha256": "A" * 64},
        {"sha256": "a" * 64 + "\n"},
        {"rate": 0},
        {"following": "../x"},
        {"streamed": True},
    ],
)
def test_what_cannot_be_sent_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        uploading.files(replace(WHAT, **changes))


def test_a_run_gets_its_settings() -> None:
    script = uploading.files(replace(WHAT, rate=5, whole_md5=True))["script"].decode()
    assert script.startswith("main() {\n")
    assert script.endswith('}\nmain "$@"; exit\n')
    for said in ("tiers_archive=( 16 2 128 3 )", "declare rate=5", "declare whole_md5=yes"):
        assert said in script
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)


def receipts(*lines: str) -> bytes:
    return "\n".join(("item archive", *lines, "end", "")).encode()


WHOLE = f"= 7 {'a' * 64} -"


def test_receipts_are_read() -> None:
    said = receipts(f"1 7 {MD5} {MD5}", f"2 0 {MD5} -", f"= 7 {'a' * 64} {MD5}")
    parts = ((1, 7, MD5, MD5), (2, 0, MD5, ""))
    assert parse(said) == {"archive": Sent(7, MD5, "a" * 64, parts)}
    assert parse(b"end\n") == {}
    assert parse(receipts(WHOLE))["archive"] == Sent(7, "", "a" * 64, ())


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"item archive\n",
        receipts(WHOLE)[:-5],
        receipts(),
        receipts(f"1 7 {MD5} -"),
        receipts(f"0 7 {MD5} -", WHOLE),
        receipts(f"01 7 {MD5} -", WHOLE),
        receipts(f"1 -7 {MD5} -", WHOLE),
        receipts(f"1 7 {MD5.upper()} -", WHOLE),
        receipts(f"1 7 {MD5} <script>", WHOLE),
        receipts(f"1 7 {MD5} {'x' * 65}", WHOLE),
        receipts(f"1 7 {MD5}", WHOLE),
        receipts(f"1 7 {MD5} - -", WHOLE),
        receipts(f"\u0661 7 {MD5} -", WHOLE),
        receipts(f"1 {'9' * 16} {MD5} -", WHOLE),
        receipts(WHOLE, WHOLE),
        receipts(WHOLE, f"1 7 {MD5} -"),
        receipts(*(f"{n} 1 {MD5} -" for n in range(1, 10_002)), WHOLE),
        f"1 7 {MD5} -\nend\n".encode(),
        receipts(WHOLE).replace(b"archive", b"../etc"),
        receipts(WHOLE)[:-4] + receipts(WHOLE),
        receipts(WHOLE) + b"\n",
        receipts(WHOLE).replace(b"7", b"7\x00"),
    ],
)
def test_receipts_that_are_not_whole_are_refused(said: bytes) -> None:
    with pytest.raises(CommandFailed):
        parse(said)


@given(st.binary(max_size=300))
def test_whatever_a_server_says_is_refused_or_read(said: bytes) -> None:
    try:
        assert parse(said) is not None
    except CommandFailed:
        return


def test_a_word_that_comes_in_two_pieces_is_heard(tmp_path: Path) -> None:
    """On a machine under load the moment in which it is listened for may end in the middle."""
    code = """
        job=([12]=$$) seen_dead=() slots=1 all_read= half_heard=
        mkfifo events && exec 7<>events
        note() { printf "%s:%s\n" "$1" "$2"; }
        miss_the_dead() { echo nobody; }
        hear
        printf "12 rec" >&7 && hear && hear
        printf "eived an-answer\n" >&7 && hear
        job=([3]=$$); printf "3 there \n" >&7 && hear
    """
    said = bash(f"set -u; cd {tmp_path}; {code}", "", "senders.sh")
    assert said == "nobody\n12:an-answer\n3:\n"


@pytest.mark.parametrize(
    ("sent", "seconds", "part", "parts"),
    [
        (0, 0, 16 * MIB, 16),  # nobody knows the rate yet
        (100 * MIB, 100, 16 * MIB, 16),  # 1 MiB a second: ten parts, and never fewer than 16
        (1_000 * MIB, 10, 16 * MIB, 938),  # 100 MiB a second for 150 seconds
        (1_000 * MIB, 10, 256 * MIB, 59),
        (10**15, 1, 2**20, 143_051_147_461),
    ],
)
def test_a_server_asks_for_more_in_time(sent: int, seconds: int, part: int, parts: int) -> None:
    """As many as are sent while the panel misses five of its slowest looks, at this rate."""
    said = bash(f"margin=150; parts_until_fed {sent} {seconds} {part}", "", "requests.sh")
    assert int(said) == parts


@pytest.mark.parametrize(
    ("signed_to", "sent", "wanted"),
    [
        (64, 0, ""),  # slow: 64 are enough
        (64, 1_000 * MIB, "archive 65\n"),
        (2_000, 1_000 * MIB, ""),
        (10, 0, "archive 11\n"),
    ],
)
def test_what_it_asks_for_follows_its_rate(
    tmp_path: Path, signed_to: int, sent: int, wanted: str
) -> None:
    code = f"""
        margin=150 item=archive later=() ready=() next=3 said_wants= sent_now={sent} began_at=0
        SECONDS=10 signed_to[archive]={signed_to}
        is_a_part() {{ (($1 <= 10000)); }}
        part_size() {{ bytes={16 * MIB}; }}
        is_signed() {{ (($2 <= {signed_to})); }}
        mkdir work; say_wants; cat wants 2>/dev/null || :
    """
    assert bash(f"cd {tmp_path}; {code}", "", "requests.sh") == wanted


def test_wants_are_read_strictly() -> None:
    said = b"now 1\nlife alive\nwant archive 3\nwant index 0\nwant x\nwant a b\nwant Index 1\nend\n"
    assert parse_look(said).wants == (("archive", 3),)
    many = b"".join(b"want archive %d\n" % number for number in range(1, 50))
    assert len(parse_look(b"life alive\n" + many + b"end\n").wants) <= 8
    assert parse_look(b"life dead\nwant archive 3\nend\n").wants == ()
