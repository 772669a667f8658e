"""Where the sandbox is reached: what server, command and client have to agree on."""

API_PREFIX = "/api/v1"
CONTROL_PREFIX = "/_sandbox"
READY_LINE = "listening on "
"""The command's one line on stderr begins so, followed by the API's base URL."""
