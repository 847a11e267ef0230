"""The settings file: what is accepted, what is refused and in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.domain import Goal, NextSale
from flashlift.errors import SettingsError
from flashlift.limits import (
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    Limit,
    MarginFloor,
    NeverTogether,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    StockReserve,
)
from flashlift.settings import Settings, load_settings

MINIMAL = """
[shop]
name = "Corner shop"
[[sources]]
format = "csv"
path = "log.csv"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text)
    return path


def test_minimal_file_gets_defaults_and_absolute_paths(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, MINIMAL))
    assert settings.sources[0].path == str(tmp_path / "log.csv")
    assert settings.shop.work == tmp_path / "flashlift-work"
    assert settings.split.valid_days == 28


def test_key_never_lies_in_the_work_folder_by_default(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, MINIMAL))
    assert not settings.key_file.is_relative_to(settings.shop.work)
    assert settings.key_file.name == "corner-shop.key"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + "[campain]\n", "Did you mean 'campaign'"),
        (MINIMAL + "[split]\nvalid_day = 3\n", "split.valid_day is not a setting. Did you mean 'valid_days'"),
        (MINIMAL + "[split]\nvalid_days = 'x'\n", "split.valid_days = 'x'"),
        (MINIMAL + "[campaign]\nladder = [0.1, 1.5]\n", "campaign.ladder.1 = 1.5"),
        (MINIMAL + "[campaign]\ntimezone = 'Mars/Base'\n", "is not a time zone"),
        (MINIMAL.replace('[[sources]]', "country = 'UK9'\n[[sources]]"), "no holidays are known of 'UK9'"),
        (MINIMAL + "[campaign]\nslots = [{at = 10:00:00, hours = 9, positions = 2}, {at = 12:00:00, hours = 2,"
         " positions = 2}]\n", "runs into the next one"),
        (MINIMAL + "[[campaign.categories]]\ncategory = 'a'\nminimum = 3\nmaximum = 2\n", "below minimum"),
        (MINIMAL + "[[campaign.brands]]\nbrand = 'a'\nmaximum = -1\n", "campaign.brands.0.maximum = -1"),
        (MINIMAL + "[[campaign.brands]]\nbrand = ''\n", "campaign.brands.0.brand = ''"),
        (MINIMAL + "[campaign.reference_price]\npolicy = 'own'\n", "days belongs to policy = 'own', which needs it"),
        (MINIMAL + "[campaign.reference_price]\nminimum = 0.5\nmaximum = 0.1\n", "below minimum 0.5"),
        (MINIMAL + "[campaign.reference_price]\npolicy = 'us'\n", "campaign.reference_price.policy = 'us'"),
        (MINIMAL + "[[campaign.pinned]]\nitem = 'a'\ndiscount = 20\n", "campaign.pinned.0.discount = 20"),
        (MINIMAL + "[[campaign.pinned]]\nitm = 'a'\n", "pinned.0.item is missing"),
        (MINIMAL + "[[campaign.blackouts]]\nstart = 2030-01-02T00:00:00Z\nend = 2030-01-01T00:00:00Z\n",
         "is not after its start"),
        (MINIMAL + "[[campaign.funders]]\nfunder = 'A'\namount = 5\n", "A funds nothing; name a brand or items"),
        (MINIMAL + "[campaign]\nnever_together = [['a']]\n", "campaign.never_together.0 = ['a']"),
        (MINIMAL + "[campaign]\nper_customer = 0\n", "campaign.per_customer = 0"),
        (MINIMAL + "[campaign.goal]\nprofit = 0\n", "a goal whose weights are all 0 wants nothing"),
        (MINIMAL + "[campaign.goal]\nrevenue = -0.1\n", "campaign.goal.revenue = -0.1"),
        (MINIMAL + "[campaign.goal]\nbuyers = inf\n", "campaign.goal.buyers = inf"),
        (MINIMAL + "[campaign]\nexplore = 0.02\ngoal = {revenue = 1}\n", "explore weighs what prices teach"),
        (MINIMAL + "[campaign.next_sale]\nunits = 5\ndiscount = 20\n", "campaign.next_sale.discount = 20"),
        (MINIMAL + "[campaign.goal]\nreveneu = 1\n", "campaign.goal.reveneu is not a setting. Did you mean 'revenue'"),
        (MINIMAL + "[language]\nsteps = ['mask', 'mask']\n", "name a step twice"),
        (MINIMAL + "[language]\nsteps = ['sing']\n", "language.steps.0 = 'sing'"),
        (MINIMAL + "[language]\nmodle = 'auto'\n", "Did you mean 'model'"),
        (MINIMAL.replace('path = "log.csv"', ""), "needs a path"),
        (MINIMAL.replace('format = "csv"', 'format = "sql"'), "needs both url and query"),
        (MINIMAL.replace("[shop]\nname", "[shop]\nnom"), "name is missing"),
        ("[shop\n", "is not valid TOML"),
        (MINIMAL.replace("log.csv", "${NOWHERE_SET}/log.csv"), "NOWHERE_SET"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text))
    assert words in str(caught.value) or words in str(caught.value).replace("shop.", "")
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no settings file"):
        load_settings(tmp_path / "none.toml")


def test_environment_variables_are_filled_in(tmp_path: Path) -> None:
    text = MINIMAL.replace("log.csv", "${DATA_HERE}/log.csv")
    settings = load_settings(write(tmp_path, text), environ={"DATA_HERE": "/data"})
    assert settings.sources[0].path == "/data/log.csv"


def test_a_language_model_is_a_folder_where_there_is_one_else_a_name(tmp_path: Path) -> None:
    (tmp_path / "minilm").mkdir()
    for name, expected in (
        ("minilm", str(tmp_path / "minilm")),
        ("./other", str(tmp_path / "other")),  # a folder that is not there; never asked from the hub
        ("someone/minilm", "someone/minilm"),
        ("auto", "auto"),
        ("none", "none"),
    ):
        text = MINIMAL + f'[language]\nmodel = "{name}"\n'
        assert load_settings(write(tmp_path, text)).language.model == expected


def test_campaign_becomes_slots_in_utc_and_limits(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
[campaign]
days = 2
timezone = "Asia/Shanghai"
budget = 500
excluded = ["a"]
slots = [{at = 20:00:00, hours = 2, positions = 3}, {at = 08:00:00, hours = 1, positions = 2}]
[[campaign.categories]]
category = "home"
maximum = 2
"""
    )
    campaign = load_settings(write(tmp_path, text)).build_campaign(datetime(2024, 5, 1, tzinfo=UTC))
    assert [slot.start for slot in campaign.slots] == [
        datetime(2024, 5, day, hour, tzinfo=UTC) for day in (2, 3) for hour in (0, 12)
    ]
    assert len({slot.slot_id for slot in campaign.slots}) == 4
    assert {type(limit) for limit in campaign.limits} == {Appearances, Budget, CategoryCount, Excluded, MarginFloor}


def test_campaign_in_the_past_is_refused(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, MINIMAL + "[campaign]\nstart = 2024-01-01\n"))
    with pytest.raises(SettingsError, match="before the end of the log"):
        settings.build_campaign(datetime(2024, 5, 1, tzinfo=UTC))


@given(st.integers(1, 40), st.sampled_from(["UTC", "America/New_York", "Europe/London", "Asia/Shanghai"]))
def test_slots_are_ordered_and_never_overlap(days: int, zone: str) -> None:
    settings = Settings.model_validate(
        {
            "shop": {"name": "s"},
            "sources": [{"format": "csv", "path": "x"}],
            "campaign": {"days": days, "timezone": zone},
        }
    )
    slots = settings.build_campaign(datetime(2024, 3, 1, tzinfo=UTC)).slots  # spans the changes of the clocks
    assert all(a.end <= b.start for a, b in pairwise(slots))
    assert all(slot.hours == 4.0 for slot in slots)


def test_limits_become_those_of_the_campaign(tmp_path: Path) -> None:
    text = """
[campaign]
not_above_competitor = true
rest_hours = 72
[campaign.reference_price]
policy = "own"
days = 60
maximum = 0.5
[[campaign.brands]]
brand = "Acme"
maximum = 3
[[campaign.blackouts]]
start = 2030-03-08T00:00:00+01:00
end = 2030-03-09T00:00:00
category = "wine"
[[campaign.pinned]]
item = "A-1"
discount = 0.2
"""
    limits = load_settings(write(tmp_path, MINIMAL + text)).build_campaign(datetime(2030, 3, 1, tzinfo=UTC)).limits
    assert limits[1:] == (
        BrandCount(brand="Acme", maximum=3),
        MarginFloor(margin_frac=0.1),
        ReferencePrice(maximum_frac=0.5, policy="the merchant's own, 60 days"),
        NotAboveCompetitor(),
        Rest(hours=72.0),
        Blackout(start=datetime(2030, 3, 7, 23, tzinfo=UTC), end=datetime(2030, 3, 9, tzinfo=UTC), category="wine"),
        Pinned(item_id="A-1", discount_frac=0.2),
    )


def test_a_goal_becomes_that_of_the_campaign_and_is_profit_by_default(tmp_path: Path) -> None:
    log_end = datetime(2030, 3, 1, tzinfo=UTC)
    assert load_settings(write(tmp_path, MINIMAL)).build_campaign(log_end).goal == Goal()
    text = "[campaign.goal]\nrevenue = 0.1\nbuyers = 0.5\n"
    goal = load_settings(write(tmp_path, MINIMAL + text)).build_campaign(log_end).goal
    assert goal == Goal(profit=1.0, revenue=0.1, buyers=0.5)
    campaign = load_settings(write(tmp_path, MINIMAL + "[campaign.next_sale]\nunits = 30\ndiscount = 0.2\n"))
    assert campaign.build_campaign(log_end).next_sale == NextSale(units=30.0, discount_frac=0.2)
    assert goal.words == "profit + 0.1 x gross sales + 0.5 x buyers"


def test_a_blackout_that_is_over_is_refused(tmp_path: Path) -> None:
    text = "[[campaign.blackouts]]\nstart = 2029-12-24T00:00:00Z\nend = 2029-12-26T00:00:00Z\n"
    with pytest.raises(SettingsError, match=r"until 2029-12-26 00:00 UTC is over before the campaign begins"):
        load_settings(write(tmp_path, MINIMAL + text)).build_campaign(datetime(2030, 3, 1, tzinfo=UTC))


def test_nominations_are_found_beside_the_settings_file(tmp_path: Path) -> None:
    read = load_settings(
        write(tmp_path, MINIMAL + '[campaign]\nnominations = "sellers/n.csv"\nnominations_only = true\n')
    )
    assert read.campaign.nominations == tmp_path / "sellers" / "n.csv"
    with pytest.raises(SettingsError, match="set nominations"):
        load_settings(write(tmp_path, MINIMAL + "[campaign]\nnominations_only = true\n"))


def test_every_limit_of_the_page_can_be_written(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "planning.md").read_text()
    for kind in get_args(Limit):
        assert f"`{kind.__name__}`" in page, kind
    example = page.split("```toml\n")[1].split("```")[0]
    campaign = load_settings(write(tmp_path, MINIMAL + example)).build_campaign(datetime(2026, 1, 1, tzinfo=UTC))
    assert {type(limit) for limit in campaign.limits} >= {
        StockReserve,
        PerCustomer,
        NeverTogether,
        FunderBudget,
        Pinned,
    }
    assert campaign.endings == (0.49, 0.99)
