"""Kills whatever there is while it works, and looks whether anything is lost, left over or untrue.

`make chaos` is the long form; test_chaos.py kills some forty times. A *lane* is a whole panel with
web, worker, clock, Redis, PostgreSQL, sshd, a bucket and a cloud; lanes work side by side.
"""
