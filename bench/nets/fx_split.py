"""Turns a net into a sequence of modules: torch.fx traces its graph, which is cut wherever a single value passes."""

from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

from .in_place import OverwritingProxy, Pair, loses_changes

# What a module's own code may raise where it looks into the values or the shape of its input.
UNTRACEABLE = (
    TraceError, RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError, ArithmeticError,
)  # fmt: skip
DEVICE_ERRORS = (torch.OutOfMemoryError, torch.AcceleratorError)  # RuntimeErrors, but not of the module's own code
ROOT = "net"  # the wrapper's child that is the net


@dataclass(frozen=True)
class ModuleSequence:
    """Modules whose composition is the net, and where each named module's output is found in it."""

    modules: dict[str, nn.Module]  # by the outermost module that outputs the same; `mean()` if none does
    aliases: dict[str, str]  # names of modules, inner and outer, to a key of `modules`
    next_key: dict[
        str, str
    ]  # of modules with a parallel branch: the first key after them, where the branches have joined


class _Tracer(fx.Tracer):
    """Records which node is the output of which module; of a module that runs several times, the last."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}
        self.overwritten: list[Pair] = []

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return OverwritingProxy(node, self)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        path = self.path_of_module(m)
        if isinstance(output, fx.Proxy) and path != ROOT:
            self.outputs[_strip_root(path)] = output.node
        return output


class _GraphPart(nn.Module):
    """A part of the net's graph. Called by itself, a module of fx would print each error that it raises."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, activations: Any) -> Any:
        return self.graph.forward(activations)


def trace_sequence(wrapper: nn.Module) -> ModuleSequence | None:
    """Return the modules of a wrapper's child `net`, in order; None if it cannot be traced. They share the net's parameters."""
    tracer = _Tracer()
    try:
        graph = tracer.trace(wrapper)
    except DEVICE_ERRORS:
        raise
    except UNTRACEABLE:
        return None
    nodes = _find_needed_nodes(graph)
    if loses_changes(wrapper, graph, tracer.overwritten, nodes):
        return None
    cuts = _find_single_values(nodes)
    outermost = {node: path for path, node in sorted(tracer.outputs.items(), key=lambda item: -len(item[0]))}
    keys = {node: outermost.get(node, f"{node.name}()") for node in cuts}
    modules = {keys[end]: _extract_module(wrapper, nodes, start, end) for start, end in pairwise(cuts)}
    aliases = {path: keys[node] for path, node in tracer.outputs.items() if keys.get(node) in modules}
    order = {node: index for index, node in enumerate(nodes)}
    next_key = {
        path: next(keys[end] for end in cuts if order[end] > order[node])
        for path, node in tracer.outputs.items()
        if node in order and node not in keys
    }
    return ModuleSequence(modules, aliases, next_key) if modules else None


def _find_needed_nodes(graph: fx.Graph) -> list[fx.Node]:
    """Return the nodes that the output depends on, in order."""
    (output,) = [node for node in graph.nodes if node.op == "output"]
    queue, needed = [output], {output}
    for node in queue:
        new = [source for source in node.all_input_nodes if source not in needed]
        queue += new
        needed.update(new)
    return [node for node in graph.nodes if node in needed and node is not output]


def _find_single_values(nodes: list[fx.Node]) -> list[fx.Node]:
    """Return the nodes where the graph can be cut: later nodes use earlier ones only through this value."""
    last_use = {used: index for index, node in enumerate(nodes) for used in node.all_input_nodes}
    singles, passing = [], set[fx.Node]()
    for index, node in enumerate(nodes):
        passing = {earlier for earlier in passing if last_use[earlier] > index}
        if node.op != "get_attr":  # a parameter is available everywhere
            passing.add(node)
            if passing == {node}:
                singles.append(node)
    return singles


def _extract_module(wrapper: nn.Module, nodes: list[fx.Node], start: fx.Node, end: fx.Node) -> nn.Module:
    """Return the computation from one value to another: the net's own module, or a new one that shares the net's parameters."""
    between = [node for node in nodes[nodes.index(start) + 1 : nodes.index(end) + 1] if node.op != "get_attr"]
    if between == [end] and end.op == "call_module" and end.args == (start,) and not end.kwargs:
        module: nn.Module = wrapper.get_submodule(str(end.target))
        return module
    graph = fx.Graph()
    copies = {start: graph.placeholder("activations")}
    attributes = {}

    def copy(node: fx.Node) -> fx.Node:
        if node not in copies:
            copies[node] = graph.node_copy(node, copy)
            if node.op in ("call_module", "get_attr"):
                target = str(node.target)
                attributes[_strip_root(target)] = attrgetter(target)(wrapper)
                copies[node].target = _strip_root(target)
        return copies[node]

    for node in between:
        copy(node)
    graph.output(copies[end])
    return _GraphPart(fx.GraphModule(attributes, graph))


def _strip_root(path: str) -> str:
    """Return a module's name in the net itself, without the wrapper's prefix."""
    return path.removeprefix(f"{ROOT}.")
