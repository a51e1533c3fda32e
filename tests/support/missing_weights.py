"""Torchvision's weights as they are on a machine that has neither the file nor a network."""

from typing import Any
from urllib.error import URLError

import pytest
from torchvision.models import WeightsEnum


def hide_weights(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the weights of these enumerations, such as `ResNet18_Weights`, be neither in the cache nor on the network."""
    original = WeightsEnum.get_state_dict

    def load(self: WeightsEnum, *arguments: Any, **settings: Any) -> Any:
        if type(self).__name__ in names:
            raise URLError("no network")
        return original(self, *arguments, **settings)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", load)
