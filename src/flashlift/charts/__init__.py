"""Result table -> Altair chart; the same specs in notebooks, reports and the console."""

from flashlift.charts.behavior import reliability
from flashlift.charts.demand import elasticities, forecast, price_curves
from flashlift.charts.export import save_png
from flashlift.charts.planning import calendar, limit_prices, value_comparison
from flashlift.charts.quality import quality

__all__ = [
    "calendar",
    "elasticities",
    "forecast",
    "limit_prices",
    "price_curves",
    "quality",
    "reliability",
    "save_png",
    "value_comparison",
]
