"""What a test measures, in words and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashlift.errors import SettingsError
from flashlift.stats.ratios import Ratio

__all__ = ["ROWS", "Metric"]

ROWS = "number of rows"  # number of rows of a cluster, where rows come in clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A mean per unit, or a ratio of two sums, such as revenue per order.

    Args:
        name: what is measured, in words with its unit of measure, for example "revenue per order (GBP)".
        numerator: column that is averaged.
        denominator: column by whose sum the numerator's sum is divided; None: the number of units.
        covariates: what was known before the test (CUPED): columns, or pairs (numerator, denominator) of columns.
        lower_is_better: of refunds and complaints, for example.
        guardrail: watched so that it does not get worse; a goal otherwise.
        unit: what was assigned by lot and is one row, in words.

    Raises:
        SettingsError: no name, or one column as both the metric and a covariate.

    Example:
        >>> Metric(name="revenue per order (GBP)", numerator="revenue", denominator="orders").columns
        ('revenue', 'orders')
    """

    name: str
    numerator: str
    denominator: str | None = None
    covariates: tuple[str | tuple[str, str], ...] = ()
    lower_is_better: bool = False
    guardrail: bool = False
    unit: str = "customer"

    def __post_init__(self) -> None:
        past = {name for pair in self._covariate_columns() for name in pair}
        both = [name for name in (self.numerator, self.denominator) if name is not None and name in past]
        if not self.name or both:
            raise SettingsError(
                f"A metric needs a name and covariates that are not its own columns; given {self.name!r}, and {both} "
                "as both. Covariates must be measured before the test."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it needs, once."""
        pairs = [(self.numerator, self.denominator), *self._covariate_columns()]
        return tuple(dict.fromkeys(name for pair in pairs for name in pair if name is not None))

    def ratios(self, columns: Sequence[str]) -> list[Ratio]:
        """The metric and then its covariates as ratios of `columns`; of means over rows where these hold `ROWS`."""
        default = ROWS if ROWS in columns else None
        pairs = [(self.numerator, self.denominator), *self._covariate_columns()]
        named = [(top, below or default) for top, below in pairs]
        return [Ratio(columns.index(top), None if below is None else columns.index(below)) for top, below in named]

    def _covariate_columns(self) -> list[tuple[str, str | None]]:
        return [(given, None) if isinstance(given, str) else given for given in self.covariates]
