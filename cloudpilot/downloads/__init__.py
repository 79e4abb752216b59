"""Bytes of backups on their way to a person: the one way from a page to a server or a vault."""
