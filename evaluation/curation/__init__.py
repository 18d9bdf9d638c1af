"""Curated suites: candidates are certified, filtered and put into files of recipes."""
