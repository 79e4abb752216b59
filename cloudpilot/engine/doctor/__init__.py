"""The lines of a Check: each function looks at what was found and says one thing about it."""
