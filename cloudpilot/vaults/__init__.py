"""Vaults: object storage that keeps backups. `base.Vault` is the promise, `registry` makes one.

A vault signs, lists, verifies and deletes; the bytes of a backup go from the server to the store
by themselves. It knows no database, no web, no queue and no server.
"""
