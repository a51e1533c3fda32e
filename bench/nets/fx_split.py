"""A module as a line: its graph, traced by torch.fx, parted wherever a single activation passes."""

from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any

from torch import fx, nn
from torch.fx.proxy import TraceError

# What a module's own code may raise where it looks into the values or the shape of its input.
UNTRACEABLE = (
    TraceError, RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError, ArithmeticError,
)  # fmt: skip
ROOT = "net"  # the wrapper's child that is the module


@dataclass(frozen=True)
class Line:
    """Modules whose composition is the net, and where each named module's output is found."""

    modules: dict[
        str, nn.Module
    ]  # by the outermost name of the module whose output they give; `mean()` where it has none
    names: dict[str, str]  # of modules, inner and outer, to that key
    inside: dict[str, str]  # of modules whose output is not all that passes: the next key behind them


class _Tracer(fx.Tracer):
    """Remembers which node is the output of which module; of a module that is run several times, the last."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        found = super().call_module(m, forward, args, kwargs)
        path = self.path_of_module(m)
        if isinstance(found, fx.Proxy) and path != ROOT:
            self.outputs[_own(path)] = found.node
        return found


def lined(whole: nn.Module) -> Line | None:
    """The line of a wrapper, `whole.net` being the module; None where it cannot be traced. The parts share its parameters."""
    tracer = _Tracer()
    try:
        graph = tracer.trace(whole)
    except UNTRACEABLE:
        return None
    nodes = _needed(graph)
    ends = _alone(nodes)
    outermost = {node: path for path, node in sorted(tracer.outputs.items(), key=lambda one: -len(one[0]))}
    keys = {node: outermost.get(node, f"{node.name}()") for node in ends}
    modules = {keys[end]: _part(whole, nodes, start, end) for start, end in pairwise(ends)}
    names = {path: keys[node] for path, node in tracer.outputs.items() if keys.get(node) in modules}
    order = {node: place for place, node in enumerate(nodes)}
    inside = {
        path: next(keys[end] for end in ends if order[end] > order[node] and (end in outermost or end is ends[-1]))
        for path, node in tracer.outputs.items()
        if node in order and node not in keys
    }
    return Line(modules, names, inside) if modules else None


def _needed(graph: fx.Graph) -> list[fx.Node]:
    """The nodes that the output is made of, in order."""
    (output,) = [node for node in graph.nodes if node.op == "output"]
    needed, found = [output], {output}
    for node in needed:
        new = [one for one in node.all_input_nodes if one not in found]
        needed += new
        found.update(new)
    return [node for node in graph.nodes if node in found and node is not output]


def _alone(nodes: list[fx.Node]) -> list[fx.Node]:
    """The nodes of which the value is all that passes from them, and what comes before, to what comes after."""
    last = {used: place for place, node in enumerate(nodes) for used in node.all_input_nodes}
    found, passing = [], set[fx.Node]()
    for place, node in enumerate(nodes):
        passing = {one for one in passing if last[one] > place}
        if node.op != "get_attr":  # a parameter is at hand everywhere
            passing.add(node)
            if passing == {node}:
                found.append(node)
    return found


def _part(whole: nn.Module, nodes: list[fx.Node], start: fx.Node, end: fx.Node) -> nn.Module:
    """The nodes behind one value up to another: the net's own module, or a new one that shares the parameters they use."""
    between = [node for node in nodes[nodes.index(start) + 1 : nodes.index(end) + 1] if node.op != "get_attr"]
    if between == [end] and end.op == "call_module" and end.args == (start,) and not end.kwargs:
        module: nn.Module = whole.get_submodule(str(end.target))
        return module
    graph = fx.Graph()
    copies = {start: graph.placeholder("activations")}
    held = {}

    def copy(node: fx.Node) -> fx.Node:
        if node not in copies:
            copies[node] = graph.node_copy(node, copy)
            if node.op in ("call_module", "get_attr"):
                target = str(node.target)
                held[_own(target)] = attrgetter(target)(whole)
                copies[node].target = _own(target)
        return copies[node]

    for node in between:
        copy(node)
    graph.output(copies[end])
    return fx.GraphModule(held, graph)


def _own(path: str) -> str:
    """A name as the module itself has it, without the wrapper's."""
    return path.removeprefix(f"{ROOT}.")
