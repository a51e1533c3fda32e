"""Figures of benchmarks, as they are printed and kept."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Told:
    """A figure of a benchmark: what was compared, the figure, and what it is to reach."""

    what: str
    figure: float
    unit: str
    bound: float
    most: bool = False  # whether the bound is the most that the figure may be, or the least
    profile: str = ""  # where the time goes

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.most else self.figure >= self.bound


@dataclass
class Board:
    """The figures of one run of the benchmarks."""

    told: list[Told] = field(default_factory=list)

    def tell(self, told: Told) -> None:
        sign = "at most" if told.most else "at least"
        print(
            f"\n{told.what}: {told.figure:.2f} {told.unit} ({sign} {told.bound:g}){told.profile and '; '}{told.profile}"
        )
        self.told.append(told)
