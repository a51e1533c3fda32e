"""The table of races in docs/choose.md is that of the stored figures, and it says what the page promises."""

import json

from cambench.tools.race import PAGE, RESULTS, TABLE, format_races


def test_the_table_of_races_matches_the_stored_figures() -> None:
    (found,) = TABLE.findall(PAGE.read_text(encoding="utf-8"))
    assert found == format_races()


def test_the_stored_races_keep_what_is_promised() -> None:
    figures = json.loads(RESULTS.read_text(encoding="utf-8"))["figures"]
    assert all(row["races"] == 1000 and row["wrong"] <= 0.05 for row in figures)
    default = [row for row in figures if ", by " in row["name"] and row["full"] == 1000]
    assert len(default) == 12 and max(row["work"] for row in default) <= 0.4
    dropped = [row["dropped"] for row in figures if row["dropped"] is not None]
    assert len(dropped) >= 2 and max(dropped) <= 0.05
