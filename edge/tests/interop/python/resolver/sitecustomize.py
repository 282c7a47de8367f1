"""Finds every name below localhost at RINGHUB_ADDRESS, as a list of hosts would. On PYTHONPATH, so
that no SDK has to know."""

import os
import socket

_find = socket.getaddrinfo


def _getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name.endswith(".localhost"):
        host = os.environ["RINGHUB_ADDRESS"]
    return _find(host, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
