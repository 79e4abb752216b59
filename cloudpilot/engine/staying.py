"""A program that stays at the other end of a session and answers one question after the other.

To begin one costs a server several processes and a login shell, a question to one that is there one
process; see remote/answer.sh for how both speak.
"""

import time
from collections.abc import Callable
from secrets import token_hex

from cloudpilot.engine import channels
from cloudpilot.engine.channels import CHUNK, OUTPUT_AT_MOST
from cloudpilot.engine.program import Program, question
from cloudpilot.engine.statuses import failure
from cloudpilot.errors import CommandFailed


class Staying:
    """One that has begun; `channel` is where it was begun."""

    def __init__(self, program: Program, channel: channels.Conversation) -> None:
        self._program, self._channel = program, channel

    def is_there(self, program: Program) -> bool:
        """Whether it is this program, and was there until a moment ago."""
        ended = self._channel.closed or self._channel.eof_received
        return self._program == program and not ended

    def ask(self, words: tuple[str, ...], deadline: float) -> bytes:
        """Its answer to these words, at most 1 MiB.

        Raises what its status means, with the sentence that it said last on standard error;
        CommandFailed for an answer that is too long, which ends it; EOFError if it has ended,
        TimeoutError, OSError. InvalidConfig for a NUL among the words.
        """
        token = token_hex(8)
        self._channel.settimeout(channels.remaining(deadline))
        self._channel.sendall(question(token, words))
        output, end = self._heard(self._channel.recv, token.encode(), deadline)
        errors, _ = self._heard(self._channel.recv_stderr, token.encode(), deadline)
        if status := int(end):
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
                self.close()
                raise CommandFailed(channels.TOO_LONG)
            begin = said.rfind(b"\n", 0, -1) + 1
            if said.endswith(b"\n") and said.startswith(token, begin):
                return bytes(said[: begin - 1]), bytes(said[begin + len(token) : -1]).strip()

    def _has_ended(self) -> None:
        """It could not begin, since there is no bash; or somebody has ended it."""
        status = channels.exit_status(self._channel, time.monotonic() + channels.SETTLES_WITHIN)
        if status:
            raise failure(status, channels.last_line(self._channel.recv_stderr(CHUNK)))
        raise EOFError("the program that answers has ended")
