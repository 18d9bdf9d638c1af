"""Compiled loops of the signals. In a folder of their own: machine code is cached by the content of the folder."""
