"""A tree like that of a web site: many small files of text, and some large ones.

No large file has anything in common with another one, nor with itself: a tool that stores what is
the same only once has nothing to gain.
"""

import random
from pathlib import Path

TEXT = (
    "the of and to in is that for it as was with be by on not he his but at are this have from"
    " or had an they which one you were all her she there would their we him been has when who"
    " will no more if out so up said what its about than into them can only other time new some"
)
LARGE = 24  # files
LARGE_BYTES = 2**24
SMALL = 12_000
SHARE_RANDOM = 0.28  # of the large files: images, archives


def web_site(folder: Path, small: int = SMALL, seed: int = 20260101) -> Path:
    """The tree below `folder`, made once: so many small files, with 12,000 about 500 MB in all, the
    same every time for a seed."""
    done = folder / ".done"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    text = _text(dice, 200_000)
    for number in range(small):
        place = folder / f"d{number % 97}" / f"e{number % 11}"
        place.mkdir(parents=True, exist_ok=True)
        start, size = dice.randrange(len(text) // 2), int(dice.paretovariate(1.1) * 1500)
        (place / f"page-{number}.html").write_bytes(text[start : start + min(size, 200_000)])
    for number in range(LARGE):
        packed = number < LARGE * SHARE_RANDOM
        piece = dice.randbytes(LARGE_BYTES) if packed else _text(dice, LARGE_BYTES // 3)
        (folder / f"large-{number}.bin").write_bytes(piece[:LARGE_BYTES])
    done.touch()
    return folder


def _text(dice: random.Random, words: int) -> bytes:
    return " ".join(dice.choices(TEXT.split(), k=words)).encode()
