"""Result table -> Altair chart; the same specs in notebooks, reports and the console."""

from flashlift.charts.behavior import reliability
from flashlift.charts.debrief import gap_waterfall, offers_against_plan, slots_against_plan
from flashlift.charts.demand import elasticities, forecast, placebo, price_curves
from flashlift.charts.experiments import effects, intervals_over_time, qini_curve, sequential_boundary
from flashlift.charts.export import save
from flashlift.charts.planning import calendar, limit_prices, pareto, value_comparison
from flashlift.charts.quality import quality
from flashlift.charts.training import learning_curves, metrics_in

__all__ = [
    "calendar",
    "effects",
    "elasticities",
    "forecast",
    "gap_waterfall",
    "intervals_over_time",
    "learning_curves",
    "limit_prices",
    "metrics_in",
    "offers_against_plan",
    "pareto",
    "placebo",
    "price_curves",
    "qini_curve",
    "quality",
    "reliability",
    "save",
    "sequential_boundary",
    "slots_against_plan",
    "value_comparison",
]
