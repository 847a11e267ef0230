from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.behavior.language.shops import CHINESE, ENGLISH, SPLIT, items, save_encoder, shop

from flashlift.behavior.language import Adapted, LanguageConfig, LanguageModel, adapt
from flashlift.behavior.language.lora import attach, largest_rank
from flashlift.errors import ArtifactError, InsufficientDataError, SettingsError

QUICK = LanguageConfig(
    steps=("mask", "next", "contrast"), trainable_share=0.2, head_steps=15, mask_steps=15, next_steps=5,
    contrast_steps=40, contrast_rate=5e-3, texts_per_batch=32,
)  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return shop()


@pytest.fixture(scope="module")
def quick(encoder_folder):
    return replace(QUICK, language=str(encoder_folder))


@pytest.fixture(scope="module")
def adapted(tables, quick):
    return adapt(tables, split=SPLIT, config=quick, seed=0)


def same(a, b):
    np.testing.assert_allclose(a.encode(ENGLISH[:40]).vectors, b.encode(ENGLISH[:40]).vectors, atol=1e-6)


def test_each_state_is_judged(adapted):
    marks = adapted.metrics
    assert marks["after"].to_list() == ["none", "mask", "next", "contrast"]
    assert marks["mask_loss_items"][1] < marks["mask_loss_items"][0]
    assert marks["recall@10"][3] > marks["recall@10"][0] + 0.1  # things go together, and the texts name the thing
    assert marks["recall@10_new"][3] > marks["recall@10_new"][0]  # also where neither item was ever taught
    assert marks["follow_auc"].is_nan().to_list() == [True, True, False, False]


def test_the_same_seed_gives_the_same_model_and_the_base_stays(adapted, tables, quick, encoder):
    again = adapt(tables, split=SPLIT, config=quick, seed=0)
    assert again.model.digest == adapted.model.digest
    assert again.base.digest == encoder.digest
    same(again.base.having(precision=encoder.precision), encoder)


def test_nothing_after_the_validation_window_is_read(adapted, tables, quick):
    early = replace(tables, events=tables.events.filter(pl.col("at") < SPLIT.valid_end))
    assert adapt(early, split=SPLIT, config=quick, seed=0).model.digest == adapted.model.digest


def test_validation_events_teach_nothing(adapted, tables, quick):
    early = replace(tables, events=tables.events.filter(pl.col("at") < SPLIT.train_end))
    assert adapt(early, split=SPLIT, config=quick, seed=0).model.digest == adapted.model.digest


def test_a_run_cut_short_goes_on(adapted, tables, quick, tmp_path):
    class CutError(Exception):
        pass

    def cut(task, done, total, note=""):
        if task.endswith("contrast"):
            raise CutError

    with pytest.raises(CutError):
        adapt(tables, split=SPLIT, config=quick, seed=0, resume=tmp_path, progress=cut)
    told = []
    resumed = adapt(
        tables, split=SPLIT, config=quick, seed=0, resume=tmp_path, progress=lambda task, *_: told.append(task)
    )
    assert set(told) == {"adapt language model: contrast"}
    assert resumed.model.digest == adapted.model.digest
    assert resumed.metrics.drop("seconds").equals(adapted.metrics.drop("seconds"), null_equal=True)


def test_adapters_are_saved_apart_and_merge(adapted, tmp_path):
    adapted.save(tmp_path / "adapted")
    size = sum(path.stat().st_size for path in (tmp_path / "adapted").rglob("*"))
    assert size < 4 * adapted.base.n_weights
    again = Adapted.load(tmp_path / "adapted")
    assert again.model.digest == adapted.model.digest
    assert again.metrics.equals(adapted.metrics)
    same(again.model.having(precision=adapted.model.precision), adapted.model)


@pytest.mark.parametrize("name", ["minilm", "encoder", "decoder"])
def test_merged_vectors_equal_those_of_the_adapters(name, request):
    import torch

    base = request.getfixturevalue(name)
    model = attach(base, 2)
    with torch.no_grad():
        for weight in model.network.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)), alpha=0.02)
    model.network.eval()
    whole = Adapted(base=base, model=model, rank=2, metrics=pl.DataFrame(), reason="").merged()
    texts = ENGLISH[:20]
    assert np.abs(model.encode(texts).vectors - base.encode(texts).vectors).max() > 1e-3
    np.testing.assert_allclose(whole.encode(texts).vectors, model.encode(texts).vectors, atol=1e-5)
    assert whole.n_weights == base.n_weights


def test_at_most_one_percent_of_minilm_is_trained(minilm):
    rank = largest_rank(minilm, 0.01)
    for given, fits in ((rank, True), (rank + 1, False)):
        model = attach(minilm, given)
        trained = sum(weight.numel() for weight in model.network.parameters() if weight.requires_grad)
        assert (trained <= 0.01 * minilm.n_weights) is fits


def test_a_model_too_small_for_its_share(encoder):
    with pytest.raises(SettingsError, match="trainable_share"):
        largest_rank(encoder, 0.01)


def test_an_adapter_of_another_base_is_refused(adapted, tmp_path):
    adapted.save(tmp_path / "adapted")
    other = LanguageModel.load(save_encoder(tmp_path / "other", seed=1), precision="fp32")
    with pytest.raises(ArtifactError, match="another base model"):
        Adapted.load(tmp_path / "adapted", base=other)


def test_a_decoder_is_adapted_too(tables, decoder):
    config = replace(QUICK, language=decoder.name, mask_steps=30)
    marks = adapt(tables, split=SPLIT, config=config, seed=0).metrics
    assert marks["mask_loss_items"][1] < marks["mask_loss_items"][0]


def test_a_shop_in_chinese_learns_its_own_language(tmp_path):
    titles = CHINESE[:240]
    tables = shop(titles=titles, n_customers=80)
    config = replace(QUICK, steps=("contrast",), language="auto", scratch_width=32, scratch_layers=1, scratch_steps=20)
    found = adapt(tables, split=SPLIT, config=config, seed=0)
    assert found.base.name == "scratch"
    found.save(tmp_path / "adapted")
    again = Adapted.load(tmp_path / "adapted")
    assert again.model.digest == found.model.digest


def test_a_log_without_pairs_leaves_steps_out(tables, quick, caplog):
    lonely = replace(tables, events=tables.events.unique("customer_id").sort("at"))
    found = adapt(lonely, split=SPLIT, config=replace(quick, steps=("next", "contrast")), seed=0)
    assert caplog.text.count("left out") == 2
    assert found.metrics["recall@10"].is_nan().all()


def test_no_texts_no_adaptation(tables):
    blank = replace(tables, items=items([None] * 96))
    with pytest.raises(InsufficientDataError, match="no language model to adapt"):
        adapt(blank, split=SPLIT, seed=0)


@pytest.mark.parametrize("wrong", [{"steps": ("mask", "mask")}, {"steps": ("sing",)}, {"trainable_share": 0.0}])
def test_impossible_settings(wrong):
    with pytest.raises(SettingsError):
        LanguageConfig(**wrong)
