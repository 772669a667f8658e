"""A stand-in for the Loops HTTP API: same answers, same limits, plus faults on demand and a ledger of every request.

It behaves as docs/loops.md says: as Loops documents, as was measured, and as is assumed. Every assumption is a switch
(`switches.Switches`), so that a client can be tested under each possibility.

There are two ways to use it: `segue sandbox` on the command line, and `spawn.SandboxProcess` (a process of its own).
`core.Sandbox` is the same without HTTP.
"""
