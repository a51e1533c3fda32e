"""The loaded nets of a run: each is loaded once, also if several parts of a suite use it, and freed after its last use."""

from collections import Counter

import torch

from ..core.errors import MissingWeights
from ..nets import load
from ..nets.net import Net

NetKey = tuple[str, str | None, str]  # the spec of a net, the layer of the protocol, the precision asked for


class LoadedNets:
    """Nets on one device that plans have asked for, until a session takes them."""

    def __init__(self) -> None:
        self._nets: dict[NetKey, Net] = {}
        self.missing: dict[str, MissingWeights] = {}  # by the spec of the net
        self._uses: Counter[NetKey] = Counter()  # how many plans will still take a net

    def load(self, key: NetKey, device: torch.device) -> Net:
        """Return a net that a plan will take later; it is loaded unless another plan has asked for it.

        Raise MissingWeights as `load.load` does; such a net is not downloaded again for another plan.
        """
        if key[0] in self.missing:
            raise self.missing[key[0]]
        if key not in self._nets:
            try:
                self._nets[key] = self._load_anew(key, device)
            except MissingWeights as reason:
                self.missing[key[0]] = reason
                raise
        self._uses[key] += 1
        return self._nets[key]

    def find(self, key: NetKey) -> Net | None:
        """Find a net that is loaded."""
        return self._nets.get(key)

    def take(self, key: NetKey, device: torch.device) -> Net:
        """Return a net for a session; it is loaded if no plan has asked for it. After its last use it is not held any more."""
        net = self._nets[key] if key in self._nets else self._load_anew(key, device)
        self.drop(key)
        return net

    def drop(self, key: NetKey) -> None:
        """Give up one use of a net; without other uses, it is not held any more."""
        self._uses[key] -= 1
        if self._uses[key] <= 0:
            del self._uses[key]
            self._nets.pop(key, None)

    @staticmethod
    def _load_anew(key: NetKey, device: torch.device) -> Net:
        spec, layer, precision = key
        return load.load(spec, device, precision, layer)
