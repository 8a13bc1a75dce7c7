"""Watching a film: what it is (`probe`), and one decode pass (`frames`) that finds its cuts (`cuts`)."""
