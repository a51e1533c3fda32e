"""What there is, by kind: names and what they say of themselves, for `bench list` and the README."""

from ..config import protocol, suite_file
from ..core import plugins
from ..core.plugins import DATASET, METHOD, METRIC, REFERENCE, REPORT

KINDS = ("nets", "methods", "metrics", "protocols", "datasets", "suites", "reports", "references")


def listing() -> dict[str, list[tuple[str, str]]]:
    """Names and descriptions by kind."""
    from ..nets.zoo import FORMS, SHIPPED  # torch loads only where nets are asked for

    said = {
        f"{kind.word}s": [(name, plugins.description(kind, name)) for name in plugins.names(kind)]
        for kind in (METHOD, METRIC, DATASET, REPORT, REFERENCE)
    }
    said["nets"] = list((SHIPPED | FORMS).items())
    followed = [protocol.find(name) for name in protocol.names()]
    said["protocols"] = [(one.name, f"{one.description} Source: {one.source}") for one in followed]
    said["suites"] = [(name, suite_file.load(name).description) for name in suite_file.names()]
    return {kind: said[kind] for kind in KINDS}
