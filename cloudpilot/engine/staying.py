"""A program that stays at the other end of a session and answers one question after the other.

To begin one costs a server several processes and a login shell, a question to one that is there one
process; see remote/answer.sh for how both speak.
"""

import time
from collections.abc import Callable
from secrets import token_hex
from typing import NoReturn

from cloudpilot.engine import channels
from cloudpilot.engine.channels import CHUNK, OUTPUT_AT_MOST
from cloudpilot.engine.program import Program, question
from cloudpilot.engine.statuses import failure
from cloudpilot.errors import CommandFailed

KILLED = 128  # and the signal's number more, as bash says it


class Staying:
    """One that has begun; `channel` is where it was begun."""

    def __init__(self, program: Program, channel: channels.Conversation) -> None:
        self._program, self._channel = program, channel

    def is_there(self, program: Program) -> bool:
        """Whether it is this program, and was there until a moment ago."""
        ended = self._channel.closed or self._channel.eof_received
        return self._program == program and not ended

    def ask(self, words: tuple[str, ...], deadline: float) -> bytes:
        """Its answer to these words, at most 1 MiB, and as much on standard error, which is read
        after it: what says megabytes there comes to no end, as one that is silent.

        Raises what its status means, with the sentence that it said last on standard error;
        InvalidConfig for a NUL among the words. Of anything else it is over: CommandFailed for an
        answer that is too long, EOFError if it or what answered has ended, TimeoutError, OSError.
        """
        token = token_hex(8)
        asked = question(token, words)
        try:
            self._channel.settimeout(channels.remaining(deadline))
            self._channel.sendall(asked)
            output, end = self._heard(self._channel.recv, token.encode(), deadline)
            errors, _ = self._heard(self._channel.recv_stderr, token.encode(), deadline)
            status = _understood(end)
        except BaseException:
            self.close()  # what is left of this answer must not stand before the next one
            raise
        if status:
            raise failure(status, channels.last_line(errors))
        return output

    def close(self) -> None:
        """It ends, as soon as it notices."""
        self._channel.close()

    def _heard(
        self, read: Callable[[int], bytes], token: bytes, deadline: float
    ) -> tuple[bytes, bytes]:
        """What one stream says until the line that begins with the token, and the rest of that."""
        said = bytearray()
        while True:
            self._channel.settimeout(channels.remaining(deadline))
            piece = read(CHUNK)
            if not piece:
                self._has_ended()
            said += piece
            if len(said) > OUTPUT_AT_MOST:
                raise CommandFailed(channels.TOO_LONG)
            begin = said.rfind(b"\n", 0, -1) + 1
            if said.endswith(b"\n") and said.startswith(token, begin):
                return bytes(said[: begin - 1]), bytes(said[begin + len(token) : -1]).strip()

    def _has_ended(self) -> NoReturn:
        """It could not begin, since there is no bash; or somebody has ended it."""
        status = channels.exit_status(self._channel, time.monotonic() + channels.SETTLES_WITHIN)
        if status:
            raise failure(status, channels.last_line(self._channel.recv_stderr(CHUNK)))
        raise EOFError("the program that answers has ended")


def _understood(status: bytes) -> int:
    """Raises EOFError if it is none, and for what was killed: it has not answered."""
    if not status.isdigit() or int(status) > KILLED:
        raise EOFError("what was to answer has ended")
    return int(status)
