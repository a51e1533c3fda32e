"""`python -m cambench` is the command `bench`."""

from .bench.cli.main import main

main()
