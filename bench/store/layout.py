"""The names of the files and folders in the directory of a run. Each table has a folder too (schema.py)."""

FILE = "run.json"  # the header, which describes the run
PARTIAL = f"{FILE}.partial"  # it, while it is written
LISTS = "parts"  # the folder of the parts' lists
LOCK = ".lock"  # which the process that writes holds
