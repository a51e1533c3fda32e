"""Figures of benchmarks, printed and collected."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """A figure of a benchmark: what was compared, the figure, and its bound."""

    what: str
    figure: float
    unit: str
    bound: float
    most: bool = False  # whether the bound is an upper bound; otherwise a lower one
    profile: str = ""  # where the time goes

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.most else self.figure >= self.bound


@dataclass
class Board:
    """The figures of one run of the benchmarks."""

    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Print a figure and keep it."""
        sign = "at most" if figure.most else "at least"
        bound = f"{sign} {figure.bound:g}"
        profile = f"; {figure.profile}" if figure.profile else ""
        print(f"\n{figure.what}: {figure.figure:.2f} {figure.unit} ({bound}){profile}")
        self.figures.append(figure)
