"""A stand-in for the Loops HTTP API: same answers, same limits, plus faults on demand and a ledger of every request.

What it does is what docs/loops.md says: what Loops documents, what was measured of it, and what is assumed. Every assumption
is a switch (`switches.Switches`), so that a client can be shown to be right under each reading.

Three ways in: `segue sandbox` on the command line, `spawn.SandboxProcess` (a process of its own) and
`server.SandboxServer` (a thread of this process). `core.Sandbox` is the same thing without HTTP.
"""
