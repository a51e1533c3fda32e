"""The table of libraries' nets in docs/nets.md is that of the stored results."""

from cambench.tools.nets import NETS, TABLE, format_libraries


def test_the_table_of_libraries_matches_the_stored_results() -> None:
    (found,) = TABLE.findall(NETS.read_text(encoding="utf-8"))
    assert found == format_libraries()
    assert found.count("| explained |") > 20 and found.count("refused: ") > 5
