"""Bad lines and lost names: a backup completes exactly once, or says why it did not.

docs/faults.md has the list of faults, with what becomes of each and which test shows it.
"""

from cloudpilot.domain.status import Status
from tests.journeys.test_main_job import assert_whole, packing
from tests.support.proxy import proxied, stalls
from tests.support.world import World

NOWHERE = "no-such-server.invalid"


def test_a_line_that_stalls_and_breaks_completes_it_once(world: World) -> None:
    """Every fifth chunk is held up for 0.2 to 5 s; in the middle all connections are reset, and
    then one is half open: bytes go in and nothing comes back."""
    address = world.sshd.address
    with proxied(address.host, address.port, stalls(3, 0.2, 0.2, 5)) as proxy:
        world.change_server(port=proxy.port)
        world.hold()
        run_id = world.back_up()
        world.until(run_id, lambda run: run.stage == "archive")
        proxy.reset()
        world.until(run_id, lambda run: run.seen_at and not run.error_code)
        proxy.freeze()
        world.until(run_id, lambda run: run.error_code == "SSH_UNREACHABLE")
        proxy.cut()
        proxy.thaw()
        world.release()
        world.ended(run_id)
    assert_whole(world, run_id)


def test_a_name_that_is_not_found_for_a_while_delays_it(world: World) -> None:
    """Before it begins, and while the server is at it."""
    host = world.server().host
    world.change_server(host=NOWHERE)
    world.hold()
    run_id = world.back_up()
    for status in (Status.PENDING, Status.RUNNING):
        run = world.until(run_id, lambda run: run.error_code)
        assert (run.status, run.error_code) == (status, "SSH_UNREACHABLE")
        assert "its name was not found" in (run.error_detail or "")
        world.change_server(host=host)
        packing(world, run_id)
        world.change_server(host=NOWHERE if status is Status.PENDING else host)
    world.release()
    world.ended(run_id)
    assert_whole(world, run_id)
