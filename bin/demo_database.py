"""The database of `make demo`, where a MariaDB is installed: a private one with a small shop."""

import secrets as randomness
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot.domain import databases
from cloudpilot.domain.sites import Site
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from tests.support import mariadb

NAME, USER = "shop", "backup"
CONTENT = """
create database shop; use shop;
create table customers (id int primary key, name varchar(80), joined datetime);
insert into customers select seq, concat('Customer ', seq), now() from seq_1_to_2000;
create table orders (id int primary key, customer int, total decimal(9,2));
insert into orders select seq, 1 + seq mod 2000, seq mod 997 / 7 from seq_1_to_20000;
create view best as select customer, sum(total) as spent from orders group by customer;
create trigger no_discount before insert on orders for each row set new.total = abs(new.total);
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The server, and the password of a user who may read."""

    socket: str
    password: str


@contextmanager
def running() -> Iterator[Shop | None]:
    """A new one each time; None where no MariaDB is installed."""
    if not mariadb.is_here():
        yield None
        return
    password = randomness.token_urlsafe(18)
    with mariadb.running() as server:
        server.sql(CONTENT)
        server.sql(
            f"create user {USER}@localhost identified by '{password}';"
            f"grant select, show view, trigger, event on *.* to {USER}@localhost"
        )
        yield Shop(server.socket, password)


def registered(session: Session, app: Flask, site: Site, shop: Shop) -> None:
    """It belongs to the site; a later start has another socket and another password."""
    sealer, password = app.extensions["sealer"], Secret(shop.password)
    values = {
        "engine": Engine.MARIADB,
        "host": "",
        "port": None,
        "socket": shop.socket,
        "user": USER,
        "all_but": False,
        "names": [NAME],
    }
    there = [one for one in databases.of_site(session, site.id) if one.user == USER]
    if there:
        databases.change(session, there[0], sealer, password, values)
    else:
        databases.add(session, site, sealer, password, values)
