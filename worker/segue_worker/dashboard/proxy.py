"""What a proxy in front of the dashboard changes: whose request it is, and under which address people know the page. Pure."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

_NETWORK: Final = 64
"""Bits of an IPv6 address that a client cannot choose."""
_MAPPED: Final = int(IPv6Address("::ffff:0:0"))


def trusted_proxies(text: str) -> list[str]:
    """Read which proxies are believed when they say whose request it is.

    Args:
        text: IP addresses and networks between commas, or `*` for everybody.

    Returns:
        what uvicorn takes: networks, those of IPv4 also as a socket of IPv6 writes them.

    Raises:
        ValueError: something in it is neither.
    """
    if text.strip() == "*":
        return ["*"]
    networks = [ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip()]
    mapped = [
        IPv6Network((_MAPPED + int(each.network_address), 96 + each.prefixlen))
        for each in networks
        if isinstance(each, IPv4Network)
    ]
    return [str(each) for each in (*networks, *mapped)]


def origin_of(url: str) -> str:
    """The origin of the dashboard's public URL, as browsers write it: `https://segue.example.com`.

    Raises:
        ValueError: it is no http or https URL, or more than an origin: the dashboard's links begin at the root.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write it as https://segue.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("only scheme, host and port can stand in it: the dashboard has to be the root of a host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, usual} else "")


def client_of(address: str) -> str:
    """Who is behind an address, for whoever counts clients: of IPv6 its network of 64 bits, in which a client has all."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped or IPv6Network((int(ip), _NETWORK), strict=False))
