"""One TOML file says what to read, what to assume and what the sale may do; it is checked here, at the border.

Unknown keys are refused. `${NAME}` in a path or URL stands for an environment variable. Relative paths are
relative to the settings file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError, model_validator

from flashlift.domain import Campaign, Costs, Goal, NextSale, Slot
from flashlift.errors import SettingsError
from flashlift.holiday import holiday_days
from flashlift.limit_settings import Discount, Fraction, LimitSettings, Section
from flashlift.limits import Blackout

__all__ = ["GoalSettings", "Settings", "load_settings"]


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; use a name such as 'Europe/London' or 'UTC'") from error
    return name


def _known_country(code: str) -> str:
    try:
        holiday_days(code, 0, 0)
    except SettingsError as error:
        raise ValueError(f"no holidays are known of {code!r}; use a two-letter ISO code such as 'GB'") from error
    return code


Country = Annotated[str, AfterValidator(_known_country)]
TimeZone = Annotated[str, AfterValidator(_known_timezone)]


class ShopSettings(Section):
    """The shop and where its work is kept."""

    name: str = Field(description="name in reports")
    currency: str = Field(default="EUR", min_length=3, max_length=3, description="currency of all reported figures")
    work: Path = Field(default=Path("flashlift-work"), description="folder for everything flashlift makes")
    key_file: Path | None = Field(
        default=None, description="key of the pseudonyms; default: the user's configuration folder, one key per shop"
    )
    country: Country | None = Field(
        default=None, description="ISO code of the country whose public holidays enter the forecast, such as 'GB'"
    )
    seed: int = Field(default=0, ge=0, description="seed of everything random")


class SourceSettings(Section):
    """One source of rows: a file in a known format, a table with a column mapping, or a SQL query."""

    format: str = Field(description="csv, parquet, ndjson, sql, or an adapter: see docs/data.md")
    path: str | None = Field(default=None, description="file, glob or folder; 'bundled' is the data in the package")
    url: str | None = Field(default=None, description="SQLAlchemy URL, for format = 'sql'")
    query: str | None = Field(default=None, description="SELECT statement, for format = 'sql'")
    columns: dict[str, str] = Field(default_factory=dict, description="our column = SQL expression over theirs")
    event_names: dict[str, str] = Field(default_factory=dict, description="their event name = ours")
    timezone: TimeZone = Field(default="UTC", description="zone of times that carry none")
    time_format: str | None = Field(default=None, description="strptime format of times kept as text")
    currency: str | None = Field(default=None, description="currency of rows that name none; default: the shop's")

    @model_validator(mode="after")
    def _path_or_query(self) -> Self:
        if self.format == "sql" and not (self.url and self.query):
            raise ValueError("format = 'sql' needs both url and query")
        if self.format != "sql" and not self.path:
            raise ValueError(f"format = '{self.format}' needs a path")
        return self


class CleaningSettings(Section):
    """Rules for rows; every rejected row is kept with the rule it broke."""

    service_codes: list[str] = Field(
        default_factory=list, description="regular expressions of codes that are no products, beside the usual ones"
    )
    max_quantity: int | None = Field(default=None, ge=1, description="larger quantities are rejected")
    earliest: date | None = Field(default=None, description="earlier rows are rejected")
    now: datetime | None = Field(default=None, description="later rows are clock skew; default: the present moment")
    rates: dict[str, float] = Field(default_factory=dict, description="currency = factor to the shop's currency")


class SplitSettings(Section):
    """Held-out windows at the end of the log."""

    valid_days: int = Field(default=28, ge=1, description="days for early stopping and calibration")
    test_days: int = Field(default=28, ge=1, description="last days of the log, for judging; a forecast needs 7")


class AssumptionSettings(Section):
    """Stands in for what the log does not hold. Figures that depend on it are marked."""

    unit_cost_frac: Fraction = Field(default=0.6, description="unit cost as a share of list price, where unknown")
    cover_days: float = Field(default=28.0, gt=0, description="stock in days of mean sales, where unknown")
    shown_lift: float = Field(
        default=1.5, gt=0, description="factor on units from being shown in a sale, where the log records no sales"
    )
    return_frac: Fraction = Field(default=0.0, description="share of sold units that come back")
    return_cost: float = Field(default=0.0, ge=0, description="cost of handling one return")
    holding_cost: float = Field(default=0.0, ge=0, description="cost of a unit left over after the horizon")
    salvage_frac: Fraction = Field(
        default=0.8, description="what a unit ordered for the sale and left over is still worth, as a share of its cost"
    )


class BehaviorSettings(Section):
    """Size, budget and place of the behavior model."""

    size: Literal["small", "base", "large"] = Field(
        default="small", description="small trains on a processor in minutes; base and large want a GPU"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where it is trained; auto is the GPU where there is one"
    )
    tracker: Literal["none", "tensorboard", "wandb"] = Field(
        default="none", description="tool that shows the learning curves; the other two need flashlift[track]"
    )
    max_steps: int | None = Field(default=None, ge=1, description="optimizer steps; default: the model's own")
    horizons_hours: list[float] | None = Field(
        default=None, min_length=1, description="P(purchase within h) is judged for these; default: those that fit"
    )
    eval_customers: int = Field(default=2000, ge=10, description="customers in the held-out evaluation")
    threads: int = Field(
        default=1, ge=1, description="threads of PyTorch; on a shared processor more than one is slower"
    )


class LanguageSettings(Section):
    """The language model: it reads the items' texts, so that new items work on their first day."""

    model: str = Field(
        default="auto",
        min_length=1,
        description="auto looks at the texts, none knows items by their ids alone; or the folder of a Hugging Face "
        "model, or its name on the hub",
    )
    adapt: bool = Field(default=True, description="use what `flashlift adapt` left, where it was run")
    steps: list[Literal["mask", "next", "contrast"]] = Field(
        default=["contrast"], min_length=1, description="what `flashlift adapt` teaches: see docs/language.md"
    )

    @model_validator(mode="after")
    def _each_step_once(self) -> Self:
        if len(set(self.steps)) < len(self.steps):
            raise ValueError(f"steps {self.steps} name a step twice")
        return self


class SlotSettings(Section):
    """A daily window of the campaign, in the campaign's time zone."""

    at: time
    hours: float = Field(gt=0, le=24)
    positions: int = Field(ge=1)


Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class GoalSettings(Section):
    """What the plan is for: the units of incremental profit that one unit of each figure is worth."""

    profit: Weight = Field(default=1.0, description="of incremental profit")
    revenue: Weight = Field(default=0.0, description="of incremental gross sales, in shop currency")
    buyers: Weight = Field(default=0.0, description="of expected distinct buyers in the offers")
    stock_cleared: Weight = Field(
        default=0.0, description="of stock that leaves because of the sale, in shop currency at unit cost"
    )

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if self.goal() == Goal(profit=0.0):
            raise ValueError("a goal whose weights are all 0 wants nothing; give one of them a weight")
        return self

    def goal(self) -> Goal:
        """As the campaign knows it."""
        return Goal(**self.model_dump())


class NextSaleSettings(Section):
    """A sale within the days of the reference price: a deep price now lowers its prices too (shadow cost)."""

    units: float = Field(ge=0.0, allow_inf_nan=False, description="units of each item expected in it")
    discount: Fraction = Field(description="discount that will be announced, below the reference price")

    def next_sale(self) -> NextSale:
        """As the campaign knows it."""
        return NextSale(units=self.units, discount_frac=self.discount)


class CampaignSettings(LimitSettings):
    """The sale to plan."""

    goal: GoalSettings = GoalSettings()
    next_sale: NextSaleSettings | None = None

    start: date | None = Field(
        default=None, description="first day; default: starts_in_days after the first midnight (UTC) after the log"
    )
    starts_in_days: int = Field(default=1, ge=0)
    days: int = Field(default=2, ge=1, le=60, description="length of the campaign")
    timezone: TimeZone = "UTC"
    slots: list[SlotSettings] = Field(
        default=[
            SlotSettings(at=time(10), hours=4, positions=8),
            SlotSettings(at=time(14), hours=4, positions=8),
        ],
        min_length=1,
    )
    ladder: list[Discount] = Field(
        default=[0.1, 0.15, 0.2, 0.25, 0.3, 0.4], min_length=1, description="discounts allowed, of the list price"
    )
    price_ending: Fraction | list[Fraction] | None = Field(
        default=None, description="fractional ending of prices, such as 0.99, or a list of them"
    )
    candidates: int = Field(
        default=5000, ge=1, description="only so many items that sold most in the last 56 days are considered"
    )
    quota_quantile: float = Field(default=0.999, gt=0, lt=1, description="quantile of drawn units that sets the quota")
    stock_to_order: bool = Field(
        default=True, description="tell how many units of each item to order for the sale, in stock.csv and the report"
    )
    n_draws: int = Field(default=500, ge=20, description="demand draws the plan is optimized on")
    time_limit_s: float = Field(default=60.0, gt=0, description="seconds for the optimizer")
    explore: float = Field(
        default=0.0,
        ge=0.0,
        le=0.03,
        description="share of the places that draw their price by lot, where that teaches most for its cost",
    )
    offers_per_customer: int = Field(default=5, ge=1, description="offers listed for each customer")

    @model_validator(mode="after")
    def _daily_slots_fit(self) -> Self:
        ends = [(slot.at.hour + slot.at.minute / 60, slot.hours) for slot in self.slots]
        ends.sort()
        following = [*ends[1:], (ends[0][0] + 24.0, 0.0)]
        for (begin, hours), (after, _) in zip(ends, following, strict=True):
            if begin + hours > after + 1e-9:
                raise ValueError(f"the slot at {begin:g} h lasts {hours:g} h and runs into the next one at {after:g} h")
        return self

    @model_validator(mode="after")
    def _explores_for_profit(self) -> Self:
        if self.explore and (self.goal != GoalSettings() or self.next_sale is not None):
            raise ValueError("explore weighs what prices teach against profit; drop it, or goal and next_sale")
        return self


class ExperimentSettings(Section):
    """The test that will judge the sale."""

    name: str = "flash-sale"
    treatment_frac: Discount = Field(default=0.5, description="share of customers who see the planned sale")
    power: Discount = 0.8
    alpha: Discount = 0.05


HORIZONS_HOURS = (24.0, 72.0, 168.0, 336.0)


class Settings(Section):
    """The whole settings file."""

    shop: ShopSettings
    sources: list[SourceSettings] = Field(min_length=1)
    cleaning: CleaningSettings = CleaningSettings()
    split: SplitSettings = SplitSettings()
    assumptions: AssumptionSettings = AssumptionSettings()
    language: LanguageSettings = LanguageSettings()
    behavior: BehaviorSettings = BehaviorSettings()
    campaign: CampaignSettings = CampaignSettings()
    experiment: ExperimentSettings = ExperimentSettings()

    @model_validator(mode="after")
    def _horizons_fit(self) -> Self:
        window = 24.0 * self.split.test_days
        for hours in self.behavior.horizons_hours or ():
            if not 0.0 < hours < window:
                raise ValueError(
                    f"behavior.horizons_hours holds {hours:g}, but the test window of split.test_days = "
                    f"{self.split.test_days} lasts {window:g} hours; choose shorter horizons or a longer window"
                )
        return self

    @property
    def horizons_hours(self) -> list[float]:
        """Horizons at which purchase intent is judged: those asked for, or the usual ones that fit the test window."""
        window = 24.0 * self.split.test_days
        usual = [hours for hours in HORIZONS_HOURS if hours < window] or [window / 2]
        return self.behavior.horizons_hours or usual

    @property
    def key_file(self) -> Path:
        """Where the key of the pseudonyms is kept, never inside the work folder."""
        if self.shop.key_file is not None:
            return self.shop.key_file.expanduser()
        home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        name = re.sub(r"[^a-z0-9]+", "-", self.shop.name.lower()).strip("-") or "shop"
        return home / "flashlift" / f"{name}.key"

    def costs(self) -> Costs:
        """Costs beside the purchase cost."""
        a = self.assumptions
        return Costs(return_frac=a.return_frac, return_cost=a.return_cost, holding_cost=a.holding_cost)

    def build_campaign(self, log_end: datetime) -> Campaign:
        """The campaign with its slots at instants in UTC, ordered by start.

        Args:
            log_end: first midnight after the last event; the default first day counts from it.
        """
        c = self.campaign
        zone = ZoneInfo(c.timezone)
        first = c.start or (log_end.astimezone(zone) + timedelta(days=c.starts_in_days)).date()
        slots = []
        for day in range(c.days):
            for window in sorted(c.slots, key=lambda s: s.at):
                local = datetime.combine(first + timedelta(days=day), window.at, tzinfo=zone)
                start = local.astimezone(UTC)
                slots.append(
                    Slot(
                        slot_id=f"{local:%a-%d-%b-%H:%M}".lower(),
                        start=start,
                        end=start + timedelta(hours=window.hours),
                        positions=window.positions,
                    )
                )
        if slots[0].start < log_end:
            raise SettingsError(
                f"campaign.start {first} lies before the end of the log ({log_end:%Y-%m-%d}). "
                "Give a later day, or leave campaign.start out."
            )
        limits = tuple(c.limits())
        for limit in limits:
            if isinstance(limit, Blackout) and limit.end <= slots[0].start:
                raise SettingsError(
                    f"The blackout until {limit.end:%Y-%m-%d %H:%M} UTC is over before the campaign begins on "
                    f"{slots[0].start:%Y-%m-%d}. Correct its year, or drop it."
                )
        return Campaign(
            slots=tuple(slots),
            ladder=tuple(sorted(set(c.ladder))),
            limits=limits,
            costs=self.costs(),
            goal=c.goal.goal(),
            next_sale=None if c.next_sale is None else c.next_sale.next_sale(),
            quota_quantile=c.quota_quantile,
            price_ending=tuple(c.price_ending) if isinstance(c.price_ending, list) else c.price_ending,
        )


def load_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a settings file.

    Raises:
        SettingsError: no file, no TOML, an unknown key, an impossible value, an environment variable not set.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"There is no settings file {path}. Give its path with --settings.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read ({error}). Give a TOML text file.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct that line.") from error
    try:
        settings = Settings.model_validate(_expand(raw, path, environ))
    except ValidationError as error:
        raise SettingsError(_sentence(error, path)) from error
    return _absolute(settings, path.resolve().parent)


def _expand(value: Any, path: Path, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(part, path, environ) for key, part in value.items()}
    if isinstance(value, list):
        return [_expand(part, path, environ) for part in value]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            raise SettingsError(f"{path} uses ${{{name}}}, but that environment variable is not set. Set it first.")
        return environ[name]

    return re.sub(r"\$\{(\w+)\}", lookup, value)


def _absolute(settings: Settings, folder: Path) -> Settings:
    def below(part: str | Path) -> Path:
        return folder / Path(part).expanduser()

    shop = settings.shop.model_copy(
        update={
            "work": below(settings.shop.work),
            "key_file": below(settings.shop.key_file) if settings.shop.key_file else None,
        }
    )
    sources = [
        source.model_copy(update={"path": str(below(source.path))})
        if source.path and source.path != "bundled"
        else source
        for source in settings.sources
    ]
    language, named = settings.language, below(settings.language.model)
    if named.is_dir() or language.model.startswith((".", "~", "/")):  # else a name on the hub
        language = language.model_copy(update={"model": str(named)})
    campaign = settings.campaign
    if campaign.nominations is not None:
        campaign = campaign.model_copy(update={"nominations": below(campaign.nominations)})
    return settings.model_copy(update={"shop": shop, "sources": sources, "language": language, "campaign": campaign})


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        known = _keys_at(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(sorted(known))}."
        return f"{path}: {place} is not a setting. {hint}"
    if first["type"] == "missing":
        return f"{path}: {place} is missing. Add it; docs/settings.md describes every setting."
    reason = first["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
    return f"{path}: {place}{shown}: {reason}. docs/settings.md describes every setting."


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = getattr(annotation, "__args__", (annotation,))[0]
    return list(model.model_fields)
