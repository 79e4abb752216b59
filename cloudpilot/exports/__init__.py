"""The panel's own backup: all of its rows in one encrypted file, and the way back."""
