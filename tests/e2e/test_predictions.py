"""The language model and the predictions from the command line: adapt, train with texts, predict."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.behavior.language.shops import save_encoder
from typer.testing import CliRunner, Result

from flashlift import artifacts, behavior, pipeline
from flashlift.behavior import BehaviorModel, language
from flashlift.cli import app
from flashlift.errors import InputError, InsufficientDataError, OutputError
from flashlift.pipeline.language import language_inputs, text_vectors
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.train import _behavior
from flashlift.settings import Settings, load_settings


def flashlift(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "250"})


def unjudged(*_: object, **__: object) -> None:
    raise InsufficientDataError("The judging is not part of this test.")


def having(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"language": settings.language.model_copy(update=changes)})


def nothing_written(work: Path) -> set[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in work.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    flashlift("simulate", folder, "--events", 6000, "--seed", 3)
    path = folder / "flashlift.toml"
    text = path.read_text().replace('work = "work"', 'work = "work"\nkey_file = "keys/shop.key"')
    save_encoder(folder / "encoder")
    path.write_text(text + '\n[behavior]\nmax_steps = 12\neval_customers = 50\n[language]\nmodel = "encoder"\n')
    pipeline.ingest(load_settings(path))
    return path


@pytest.fixture(scope="module")
def settings(toml: Path) -> Settings:
    loaded = load_settings(toml)
    assert loaded.language.model == str(toml.parent / "encoder")  # relative to the settings file, like every path
    return loaded


@pytest.fixture(scope="module")
def trained(settings: Settings) -> Shop:
    """A shop whose behavior model read the texts."""
    shop = Shop.open(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behavior, "intent_report", unjudged)
        _behavior(settings, shop, lambda *_, **__: None)
    return shop


def test_training_reads_the_texts_and_the_card_says_so(trained: Shop, settings: Settings) -> None:
    model = BehaviorModel.load(trained.folder / "behavior")
    assert model.content is not None
    assert np.linalg.norm(model.content.vectors, axis=1).max() == pytest.approx(1.0, abs=1e-5)
    assert settings.language.model in str(model.card)
    page = Path(pipeline.report(settings)).read_text()
    assert 'id="card"' in page
    assert "Which item a customer turns to next" in page


def test_texts_are_encoded_once(trained: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(language.LanguageModel, "encode", never)
    found = text_vectors(settings, trained)
    assert found is not None
    assert len(found.ids) == len(found.vectors) == trained.tables.items.height


def test_none_is_ids_alone(trained: Shop, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert text_vectors(having(settings, model="none"), trained) is None
    blank = replace(trained, tables=replace(trained.tables, items=trained.tables.items.with_columns(
        title=pl.lit(None, pl.String), brand=pl.lit(None, pl.String), category=pl.lit(None, pl.String))))  # fmt: skip
    assert text_vectors(having(settings, model="auto"), blank) is None
    assert "known by their ids alone: only 0 items have a text of their own" in caplog.text
    assert text_vectors(settings, blank) is None
    assert "No item has a text that" in caplog.text


def test_the_default_takes_the_packaged_model(trained: Shop, settings: Settings) -> None:
    found = text_vectors(having(settings, model="auto"), trained)
    assert found is not None
    assert found.facts["model"] == "packaged"
    assert not found.facts["adapted"]


def test_adapt_is_done_once_and_then_used(
    toml: Path, settings: Settings, trained: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = partial(language.LanguageConfig, trainable_share=0.2, head_steps=3, contrast_steps=3)
    monkeypatch.setattr(language, "LanguageConfig", quick)
    copy = tmp_path / "shop"
    shutil.copytree(toml.parent, copy)
    loaded = load_settings(copy / toml.name)
    shop = Shop.open(loaded)
    before = text_vectors(loaded, shop), language_inputs(loaded, shop)
    done = flashlift("adapt", "-s", copy / toml.name)
    assert done.exit_code == 0, done.output + repr(done.exception)
    for words in ("none", "contrast", "recall@10", "the settings say so"):
        assert words in done.stdout
    written = nothing_written(loaded.shop.work)
    assert flashlift("adapt", "-s", copy / toml.name).stdout == done.stdout
    assert nothing_written(loaded.shop.work) == written
    after = text_vectors(loaded, shop), language_inputs(loaded, shop)
    assert before[0] is not None
    assert after[0] is not None
    assert after[0].facts["adapted"]
    assert np.abs(after[0].vectors - before[0].vectors).max() > 1e-4
    assert after[1] != before[1]  # so train does its work again
    for other in (having(loaded, adapt=False), having(loaded, model=str(toml.parent / "encoder"))):
        unadapted = text_vectors(other, shop)
        assert unadapted is not None
        assert not unadapted.facts["adapted"]
    early = replace(shop, split=replace(shop.split, train_end=shop.split.train_end.replace(year=2000)))
    assert language_inputs(loaded, early)[-1] is None  # it has read days on which it would be judged


def test_nothing_to_adapt_is_said_and_is_no_error(toml: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(toml.parent, copy)
    text = (copy / toml.name).read_text()
    (copy / toml.name).write_text(text.replace('model = "encoder"', 'model = "none"'))
    for _ in range(2):
        done = flashlift("adapt", "-s", copy / toml.name)
        assert done.exit_code == 0
        assert "adaptation skipped: There is no language model to adapt: the settings say so" in done.stdout


def test_predict_all_customers(toml: Path, trained: Shop, tmp_path: Path) -> None:
    for name in ("all.parquet", "all.csv"):
        done = flashlift("predict", "-s", toml, "--horizons", "24,100", "--top", 4, "--out", tmp_path / name)
        assert done.exit_code == 0, done.output + repr(done.exception)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    whole, sheet = pl.read_parquet(tmp_path / "all.parquet"), pl.read_csv(tmp_path / "all.csv")
    known = trained.tables.events.select("customer_id").drop_nulls().unique().collect()["customer_id"]
    assert set(whole["customer_id"]) == set(known)
    assert f"What {len(known)} customers do next" in done.stdout
    assert whole["p_24h"].is_between(0, 1).all()
    assert (whole["p_100h"] >= whole["p_24h"]).all()
    assert whole["top_items"].list.len().unique().to_list() == [4]
    assert sheet.columns[-4:] == ["item_1", "item_2", "item_3", "item_4"]
    assert sheet["item_1"].to_list() == whole["top_items"].list.first().to_list()
    assert {path.name for path in tmp_path.iterdir()} == {"all.parquet", "all.csv"}


@pytest.mark.parametrize("kind", ["words", "txt", "csv", "parquet"])
def test_customers_go_by_the_shop_s_own_ids(toml: Path, trained: Shop, tmp_path: Path, kind: str) -> None:
    raw = pl.read_parquet(toml.parent / "tables" / "events.parquet")["customer_id"].drop_nulls().unique().sort()
    asked = [raw[3], raw[1], "a stranger"]
    frame = pl.DataFrame({"customer_id": asked, "other": ["x", "y", "z"]})
    given = str(tmp_path / f"ids.{kind}")
    if kind == "words":
        given = ",".join(asked)
    elif kind == "txt":
        Path(given).write_text("\n".join(asked) + "\n")
    elif kind == "csv":
        frame.write_csv(given)
    else:
        frame.write_parquet(given)
    done = flashlift("predict", "-s", toml, "--customers", given, "--out", tmp_path / "some.parquet")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "1 of them have no event" in done.stdout
    some = pl.read_parquet(tmp_path / "some.parquet")
    assert some["customer_id"].to_list() == asked
    everybody = pipeline.predict(load_settings(toml), pipeline.Asked()).table
    for row in range(2):
        mine = some.drop("customer_id").row(row)
        assert [other for other in everybody.drop("customer_id").iter_rows() if np.allclose(other[:3], mine[:3])]
    pseudonym = everybody["customer_id"][0]
    same = pipeline.predict(load_settings(toml), pipeline.Asked(customers=[pseudonym]))
    assert same.strangers == 0
    assert same.table["customer_id"].to_list() == [pseudonym]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--horizons", "24,soon"], 3, "'24,soon' are no hours"),
        (["--horizons", "0"], 3, "up to 720 (30 days), not 0"),
        (["--horizons", "24,721"], 3, "not 24, 721"),
        (["--horizons", "24,24"], 3, "distinct hours"),
        (["--at", "yesterday"], 3, "'yesterday' is no time"),
        (["--at", "1999-01-01"], 3, "lies before the log begins"),
        (["--at", "2099-01-01"], 3, "more than 30 days after the log ends"),
        (["--out", "x.xlsx"], 5, "Name a .parquet or a .csv file"),
        (["--customers", "none.csv"], 3, "none.csv cannot be read"),
        (["--customers", ","], 3, "No customer is asked about"),
    ],
)
def test_impossible_questions_are_refused_in_one_sentence(
    toml: Path, trained: Shop, words: list[str], code: int, said: str
) -> None:
    done = flashlift("predict", "-s", toml, *words)
    assert done.exit_code == code, done.output + repr(done.exception)
    assert said in " ".join(done.stderr.split())


def test_without_a_model_predict_says_what_to_run(toml: Path, trained: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(toml.parent, copy)
    shutil.rmtree(copy / "work" / "evidence")
    done = flashlift("predict", "-s", copy / toml.name)
    assert done.exit_code == 6
    assert "Run `flashlift train` first" in done.stderr


def test_a_lost_key_is_not_replaced_by_a_new_one(toml: Path, trained: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(toml.parent, copy)
    shutil.rmtree(copy / "keys")
    done = flashlift("predict", "-s", copy / toml.name, "--customers", "c1")
    assert done.exit_code == 6
    assert "key of the pseudonyms" in done.stderr
    assert not (copy / "keys").exists()


def test_an_item_that_came_after_the_training_is_read_by_its_text(
    toml: Path, trained: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = trained.tables.items.head(1).with_columns(item_id=pl.lit("brand new"))
    tables = replace(trained.tables, items=pl.concat([trained.tables.items, new]))
    monkeypatch.setattr(Shop, "open", classmethod(lambda cls, settings: replace(trained, tables=tables)))
    loaded = load_settings(toml)
    table = pipeline.predict(loaded, pipeline.Asked(top=1000)).table
    assert table["top_items"].list.contains("brand new").all()
    other = text_vectors(having(loaded, model="auto"), trained)
    assert other is not None
    table = pipeline.predict(having(loaded, model="auto"), pipeline.Asked(top=1000)).table
    assert not table["top_items"].list.contains("brand new").any()  # the training read another language model


@pytest.mark.parametrize(("wrong", "kind"), [({"out": Path("x.doc")}, OutputError), ({"top": -1}, InputError),
                                             ({"horizons_hours": ()}, InputError)])  # fmt: skip
def test_impossible_questions_in_python(wrong: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        pipeline.Asked(**wrong)  # type: ignore[arg-type]


def test_a_file_in_the_way_leaves_the_old_answer(toml: Path, trained: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    done = flashlift("predict", "-s", toml, "--out", tmp_path / "file" / "x.csv")
    assert done.exit_code == 5
    assert (tmp_path / "file").read_text() == "kept"


def test_artifacts_are_written_whole_and_private(tmp_path: Path) -> None:
    artifacts.write_bytes(tmp_path / "a" / "b.bin", b"\x00\x01")
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"\x00\x01"
    assert stat.S_IMODE((tmp_path / "a" / "b.bin").stat().st_mode) == 0o600
