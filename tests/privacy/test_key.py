import logging
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from flashlift.errors import ArtifactError, OutputError, SettingsError
from flashlift.privacy import Key, load_or_create_key


def test_a_new_key_is_random_private_and_read_back(tmp_path):
    path = tmp_path / "deep" / "key"
    key = load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_or_create_key(path) == key
    assert load_or_create_key(tmp_path / "other") != key
    assert [p.name for p in path.parent.iterdir()] == ["key"]


def test_a_race_leaves_one_key_for_all(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_create_key(tmp_path / "key"), range(32)))
    assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_touch_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"mode {mode:04o}.*chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "binary", "other"])
def test_a_damaged_key_is_refused(tmp_path, damage):
    path = tmp_path / "key"
    load_or_create_key(path)
    text = path.read_bytes()
    other = b"8" if text[20:21] != b"8" else b"7"
    path.write_bytes(
        {
            "cut": text[:-12],
            "flipped": text[:20] + other + text[21:],
            "empty": b"",
            "binary": bytes(range(256)),
            "other": b"a:b:c\n",
        }[damage]
    )
    with pytest.raises(ArtifactError, match="damaged"):
        load_or_create_key(path)


def test_a_key_beside_the_data_is_refused(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    for place in (store / "key", store / "deep" / "key", tmp_path / "x" / ".." / "store" / "key"):
        with pytest.raises(SettingsError, match="inside the data folder"):
            load_or_create_key(place, forbidden=store)
        assert not place.exists()
    (tmp_path / "link").symlink_to(store)
    with pytest.raises(SettingsError, match="inside the data folder"):
        load_or_create_key(tmp_path / "link" / "key", forbidden=[tmp_path / "elsewhere", store])
    load_or_create_key(tmp_path / "store-key", forbidden=store)


def test_an_impossible_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be read or created"):
        load_or_create_key(tmp_path / "file" / "key")


def test_nothing_shows_the_secret(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        key = load_or_create_key(tmp_path / "key")
    shown = f"{key!r} {key} {[key]} {key.fingerprint} {caplog.text}"
    assert key.secret.hex() not in shown
    assert repr(key.secret) not in shown
    assert repr(key) == "Key(hidden)"


def test_fingerprints_tell_keys_apart():
    keys = [Key.generate() for _ in range(100)]
    assert len({k.fingerprint for k in keys}) == 100
    assert Key(keys[0].secret).fingerprint == keys[0].fingerprint
    with pytest.raises(ValueError, match="32 bytes"):
        Key(b"short")
