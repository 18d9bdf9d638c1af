"""Verbs of the ``drive`` command, one function each. What a verb needs is imported when it runs: help is instant."""
