"""Settings: what is read, what is refused, and what `.env.example` says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segue.errors import SettingError
from segue.lake import Lake
from segue.settings import PROJECT, Settings, env_example, get_settings, unknown_variables


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_env_example_is_what_the_settings_say() -> None:
    assert (PROJECT / ".env.example").read_text() == env_example(), (
        "write it anew; CONTRIBUTING.md says how"
    )


def test_env_example_gives_the_defaults_when_every_line_of_it_is_uncommented(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    file.write_text(env_example().replace("#SEGUE_", "SEGUE_"))
    written = Settings(_env_file=file).model_dump(exclude={"home"})
    assert written == Settings(_env_file=None).model_dump(exclude={"home"})


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_SPARK_SLOTS", "0")
    with pytest.raises(SettingError, match=r"SEGUE_SPARK_SLOTS: .*greater than or equal to 1"):
        get_settings()


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_AIRFLOW_PORT", "http")
    monkeypatch.setenv("SEGUE_LAKE", "gs://bucket")
    with pytest.raises(SettingError, match=r"SEGUE_LAKE: .*SEGUE_AIRFLOW_PORT: "):
        get_settings()


def test_a_wrong_mongo_uri_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_MONGO_URI", "postgres://me:hunter2@host")
    with pytest.raises(SettingError, match=r"SEGUE_MONGO_URI: must start with mongodb://") as error:
        get_settings()
    assert "hunter2" not in str(error.value)


def test_the_mongo_uri_does_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_MONGO_URI", "mongodb://me:hunter2@host")
    assert "hunter2" not in repr(get_settings())


def test_an_empty_mongo_uri_means_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_MONGO_URI", "")
    assert get_settings().mongo_uri is None


def test_lake_and_inbox_stand_in_the_home_unless_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    monkeypatch.delenv("SEGUE_LAKE", raising=False)
    monkeypatch.setenv("SEGUE_INBOX", "s3://drops/playlists/")
    assert get_settings().lake_url == (tmp_path / "lake").as_uri()
    assert get_settings().inbox_url == "s3://drops/playlists"


def test_a_misspelt_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_SPARK_SLOT", "2")
    monkeypatch.setenv("SEGUE_SPARK_SLOTS", "2")
    assert "SEGUE_SPARK_SLOT" in unknown_variables()
    assert "SEGUE_SPARK_SLOTS" not in unknown_variables()


@pytest.mark.parametrize("folder", ["with space", "jürgen", "a#b", "a%20b", "a[b]"])
def test_any_folder_can_hold_the_lake(tmp_path: Path, folder: str) -> None:
    lake = Lake(Settings(home=tmp_path / folder).lake_url)
    lake.put("k", b"1")
    assert (tmp_path / folder / "lake" / "k").read_bytes() == b"1"


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_HOME", "")
    assert Settings().home == PROJECT / ".segue"


@pytest.mark.parametrize("lake", ["/", "file:///"])
def test_the_root_of_everything_is_no_lake(monkeypatch: pytest.MonkeyPatch, lake: str) -> None:
    monkeypatch.setenv("SEGUE_LAKE", lake)
    get_settings.cache_clear()
    with pytest.raises(SettingError, match="SEGUE_LAKE"):
        get_settings()
    get_settings.cache_clear()
