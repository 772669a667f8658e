"""The sandbox's addresses, on which server, command and client have to agree."""

API_PREFIX = "/api/v1"
CONTROL_PREFIX = "/_sandbox"
READY_LINE = "listening on "
"""How the line begins that the command prints to stderr once it is ready; the API's base URL follows."""
