"""Which addresses on the internet may be asked for a photo: none that is inside of anything.

The judgement is on the address a name resolved to, and the connection is made to exactly that
address: a name that resolves to something else a moment later (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as texts. Raises OSError."""
Guard: TypeAlias = Callable[[str], bool]
"""Whether an address, as a text, may be connected to."""

# What `is_global` lets through or, in some releases of Python, has not heard of.
_BLOCKED = [
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' inside; a metadata service at 100.100.100.200
        "168.63.129.16/32",  # Azure's metadata and agents, though the address is public
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/96",  # these five stand for an IPv4 address, which might be any
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/9",  # link-local and, before 2004, site-local
        "ff00::/8",
    )
]


def is_public(text: str) -> bool:
    """Whether it is an address of somebody else's on the open internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _BLOCKED)
    )


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system's resolver has them. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is no host's
        raise OSError(f"{host!r} is no host's name") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))
