"""The clock: rings for what is due, and for what was missed."""
