"""Operations that overwrite their input, in the graph of a net: torch.fx loses some of what they change.

`v = x[:, :4]; v += 1` changes x as well. torch.fx records it as `v = v + 1`, which does not. Whether it is lost by that is told
here: something later uses x, or another view of it.
"""

from collections.abc import Iterable
from operator import getitem
from typing import Any

from torch import fx, nn

AUGMENTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift", "matmul")
VIEWS = {  # operations whose output may share its memory with their input
    "chunk", "contiguous", "detach", "diagonal", "dropout", "dropout2d", "expand", "expand_as", "flatten", "float", "getitem",
    "identity", "movedim", "moveaxis", "narrow", "permute", "reshape", "reshape_as", "select", "split", "squeeze", "swapaxes",
    "swapdims", "t", "tensor_split", "to", "transpose", "type_as", "unbind", "unflatten", "unsqueeze", "view", "view_as",
}  # fmt: skip
Pair = tuple[fx.Node, fx.Node]  # a value, and that after an augmented assignment


class OverwritingProxy(fx.Proxy):
    """A value while a net is traced, which notes augmented assignments in the list `overwritten` of its tracer."""


def _make_operator(name: str) -> Any:
    def overwrite(self: fx.Proxy, other: Any) -> Any:
        result = getattr(self, f"__{name}__")(other)
        self.tracer.overwritten.append((self.node, result.node))  # type: ignore[attr-defined]
        return result

    return overwrite


for _name in AUGMENTED:
    setattr(OverwritingProxy, f"__i{_name}__", _make_operator(_name))


def loses_changes(wrapper: nn.Module, graph: fx.Graph, overwritten: Iterable[Pair], needed: Iterable[fx.Node]) -> bool:
    """Tell whether a graph lacks changes that a net makes: by operations whose result it does not use, or through views."""
    used = set(needed)
    if any(_overwrites(wrapper, node) for node in graph.nodes if node not in used):
        return True
    order = {node: index for index, node in enumerate(graph.nodes)}
    return any(
        order[user] > order[after]
        for before, after in overwritten
        for value in _list_same_memory(wrapper, before)
        for user in value.users
        if user is not after
    )


def _overwrites(wrapper: nn.Module, node: fx.Node) -> bool:
    """Tell whether a node overwrites its input, as `x.mul_(2)` does. Where nothing uses its result, the trace loses it."""
    if node.op == "call_module":
        return bool(getattr(wrapper.get_submodule(str(node.target)), "inplace", False))
    name = _read_name(node)
    is_named_so = name.endswith("_") and not name.endswith("__")
    return node.op.startswith("call") and (is_named_so or bool(node.kwargs.get("inplace")) or "out" in node.kwargs)


def _list_same_memory(wrapper: nn.Module, node: fx.Node) -> list[fx.Node]:
    """List the values that may share their memory with a node's: those that it is a view of, and other views of these."""
    base = node
    while _may_be_view(wrapper, base):
        base = base.all_input_nodes[0]
    found = [base]
    for value in found:
        found += [user for user in value.users if user not in found and _is_view_of(wrapper, user, value)]
    return found


def _is_view_of(wrapper: nn.Module, node: fx.Node, value: fx.Node) -> bool:
    return _may_be_view(wrapper, node) and node.all_input_nodes[0] is value


def _may_be_view(wrapper: nn.Module, node: fx.Node) -> bool:
    """Tell whether a node's output may share its memory with that of its first input."""
    if not node.op.startswith("call") or not node.all_input_nodes:
        return False
    name = _read_name(node)
    if node.op == "call_module":
        name = type(wrapper.get_submodule(name)).__name__.lower()
    return (name in VIEWS and not _is_size(node)) or _overwrites(wrapper, node)


def _is_size(node: fx.Node) -> bool:
    """Tell whether a node is the shape of a tensor, or numbers of it, which are no views."""
    is_part = node.target is getitem and bool(node.all_input_nodes)
    return _is_size(node.all_input_nodes[0]) if is_part else _read_name(node) in ("getattr", "size")


def _read_name(node: fx.Node) -> str:
    """Return the name of the function, method or module that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
