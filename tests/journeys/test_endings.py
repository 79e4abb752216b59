"""SIGTERM while jobs are under way: a platform waits for thirty seconds, docker for ten."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from cloudpilot import clock
from cloudpilot.domain.status import Status
from tests.journeys.test_main_job import assert_whole, packing
from tests.support.proxy import Proxy, proxied
from tests.support.until import until
from tests.support.world import World

AT_MOST = 10  # seconds


def ends(world: World, name: str, ask: Callable[[World, str], None]) -> float:
    """How long it takes until nothing of that process is left."""
    tree = [world.processes.pid(name), *world.processes.children(name)]
    began = time.monotonic()
    ask(world, name)
    world.processes.stop(name)
    until(lambda: [pid for pid in tree if is_there(pid)], lambda left: not left, seconds=1)
    return time.monotonic() - began


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def the_first_alone(_world: World, _name: str) -> None:
    """As docker and honcho do it: `stop` says it to the first process."""


def all_of_them(world: World, name: str) -> None:
    """As a PaaS and systemd do it."""
    for pid in [*world.processes.children(name), world.processes.pid(name)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def hanging_start(world: World, proxy: Proxy) -> object:
    """A job that has sent nothing and waits for a server that says nothing."""
    world.change_server(port=proxy.port)
    proxy.freeze()
    run_id = world.back_up()
    world.until(run_id, lambda run: run.next_look_at > clock.now())
    return run_id


@pytest.mark.parametrize("ask", [the_first_alone, all_of_them])
def test_a_worker_whose_job_hangs_ends_in_time_and_gives_the_run_back(
    world: World, ask: Callable[[World, str], None]
) -> None:
    address = world.sshd.address
    with proxied(address.host, address.port) as proxy:
        run_id = hanging_start(world, proxy)
        assert ends(world, "worker", ask) < AT_MOST
        run = world.run(run_id)
        assert run.status is Status.PENDING
        assert run.next_look_at <= clock.now()  # nobody waits until its lease is over
        proxy.cut()
        proxy.thaw()
        world.processes.start("worker")
        world.ended(run_id)
    assert_whole(world, run_id)


def horses(world: World) -> list[int]:
    """The processes of jobs: each is the first of a group of its own."""
    found = []
    for pid in world.processes.children("worker"):
        with suppress(ProcessLookupError):
            found += [pid] if os.getpgid(pid) == pid else []
    return found


def test_a_job_that_does_not_listen_is_killed(world: World) -> None:
    address = world.sshd.address
    with proxied(address.host, address.port) as proxy:
        hanging_start(world, proxy)
        [horse] = until(lambda: horses(world), lambda found: len(found) == 1)  # others have ended
        os.kill(horse, signal.SIGSTOP)  # as one that waits for a name server in C
        assert ends(world, "worker", the_first_alone) < AT_MOST + 1
        assert not is_there(horse)


def test_looks_at_a_server_that_says_nothing_do_not_keep_the_worker(world: World) -> None:
    address = world.sshd.address
    with proxied(address.host, address.port) as proxy:
        world.change_server(port=proxy.port)
        world.hold()
        run_id = world.back_up()
        packing(world, run_id)
        proxy.freeze()
        seen = world.run(run_id).seen_at
        world.until(run_id, lambda run: run.next_look_at > clock.now() and run.seen_at == seen)
        assert ends(world, "worker", the_first_alone) < AT_MOST
        world.release()
        proxy.cut()
        proxy.thaw()
        world.processes.start("worker")
        world.ended(run_id)
    assert_whole(world, run_id)


def test_a_clock_ends_at_once(world: World) -> None:
    assert ends(world, "clock", the_first_alone) < 3
