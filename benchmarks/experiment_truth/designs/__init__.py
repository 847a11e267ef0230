"""The designs of the scoreboard: every file here with a `NAME` and a function `measure`, found by itself."""
