"""Types of settings with bounds, which methods and metrics share."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
CountFromTwo = Annotated[int, Field(ge=2)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]  # (0, 1]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]  # [0, 1)
OpenShare = Annotated[float, Field(gt=0, lt=1)]  # (0, 1)
