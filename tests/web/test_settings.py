"""Settings: where they come from, what is refused, and that no secret shows."""

import base64
import copy
import pickle
import pprint
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings

CANARY = "canary-0123456789abcdef"
DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_defaults() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port, settings.dashboard) == ("127.0.0.1", 8080, "public")
    assert settings.database_url == "sqlite:///data/rollforward.db"
    assert settings.sqlite_path == Path("data/rollforward.db")
    assert settings.service_definitions == Path("service_definitions")
    assert (settings.github_on, settings.gitlab_on, settings.api_keys) == (False, False, ())
    assert (settings.lead_time_max_gap_days, settings.lead_time_max_commits) == (60, 5000)
    assert settings.production_envs == ("prod", "production", "live")
    assert (settings.keep_bodies_days, settings.keep_failed_days, settings.keep_keys_days) == (7, 30, 90)
    assert (settings.telemetry_silence_minutes, settings.telemetry_open, settings.default_timezone) == (10, False, "UTC")
    assert (settings.github_api_url, settings.gitlab_url) == ("https://api.github.com", "https://gitlab.com")
    assert settings.clone_urls == {}
    assert {shown.origin for shown in settings.shown()} == {"default"}


def test_the_environment_wins_over_dotenv_and_each_remembers_its_origin(tmp_path: Path) -> None:
    dotenv, secret = tmp_path / ".env", tmp_path / "secret"
    secret.write_text(f"{CANARY}\n")
    dotenv.write_text(
        "# comment\n\nexport PORT=9000\nHOST=0.0.0.0 # all\n"
        f"BASE_URL='https://dora.example.com/'\nGITHUB_WEBHOOK_SECRET=\"{CANARY}, {CANARY}2\"\nDATA_DIR=\n"
    )
    settings = load_settings({"PORT": "9001", "GITLAB_WEBHOOK_SECRET_FILE": str(secret)}, dotenv)
    assert (settings.port, settings.host, settings.base_url) == (9001, "0.0.0.0", "https://dora.example.com")  # noqa: S104
    assert settings.dashboard == "login"
    assert settings.github_webhook_secret == (CANARY.encode(), f"{CANARY}2".encode())
    assert settings.gitlab_webhook_secret == (CANARY.encode(),)
    assert settings.data_dir == Path("data")
    shown = {line.name: (line.value, line.origin) for line in settings.shown()}
    assert shown["PORT"] == ("9001", "environment")
    assert shown["HOST"] == ("0.0.0.0", ".env")  # noqa: S104
    assert shown["GITHUB_WEBHOOK_SECRET"] == ("2 set", ".env")
    assert shown["GITLAB_WEBHOOK_SECRET"] == ("set", f"file {secret}")
    assert shown["DATA_DIR"] == ("data", "default")
    assert load_settings({}, tmp_path / "missing").port == 8080


SECRETS = (
    "GITHUB_WEBHOOK_SECRET", "GITLAB_WEBHOOK_SECRET", "PAGERDUTY_WEBHOOK_SECRET", "API_KEYS", "GITLAB_TOKEN", "GITHUB_PRIVATE_KEY",
    "PAGERDUTY_API_TOKEN",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "value", ["", " ", "development", "tiny", "x" * 15, "It's a Secret to Everybody", "changemechangeme", "your-webhook-secret"]
)
def test_empty_short_and_known_secrets_stop_the_start(name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(value)
    for environ in ({name: value}, {f"{name}_FILE": str(tmp_path / "secret")}):
        with pytest.raises(SettingsError) as caught:
            load_settings(environ)
        assert caught.value.name == name
        text = str(caught.value)
        assert "openssl rand" in text or "copy it again" in text
        assert not value.strip() or value not in text


@pytest.mark.parametrize("value", [f"{CANARY},", f",{CANARY}", f"{CANARY},,{CANARY}", f"{CANARY},short"])
def test_a_list_is_as_good_as_its_worst_secret(value: str) -> None:
    with pytest.raises(SettingsError):
        load_settings({"GITHUB_WEBHOOK_SECRET": value})


def test_no_secret_shows(tmp_path: Path) -> None:
    token = "whsec_" + base64.b64encode(CANARY.encode() * 2).decode()
    environ = dict.fromkeys(SECRETS, CANARY) | {
        "DATABASE_URL": f"postgresql://user:{CANARY}@db.example.com:5433/dora?password={CANARY}", "GITLAB_SIGNING_TOKEN": token,
    }  # fmt: skip
    settings = load_settings(environ)
    texts = [repr(settings), str(settings), pprint.pformat(settings), f"{settings.api_keys[0]}", f"{settings.api_keys!s:>40}"]
    texts += [f"{settings.gitlab_token}", "%s" % settings.github_private_key, repr(settings.shown())]  # noqa: UP031
    assert not any(CANARY in text or token in text for text in texts)
    shown = {line.name: line.value for line in settings.shown()}
    assert shown["DATABASE_URL"] == "postgresql://user:…@db.example.com:5433/dora"
    assert pickle.loads(pickle.dumps(settings)) == settings == copy.copy(settings)  # noqa: S301
    assert settings.gitlab_on


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "80a"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "８０"), ("PORT", "9" * 30), ("HOST", "http://x"), ("HOST", "a b"),
        ("DASHBOARD", "open"), ("DASHBOARD", "Public"), ("TELEMETRY_OPEN", "yes"), ("LEAD_TIME_MAX_GAP_DAYS", "-1"),
        ("LEAD_TIME_MAX_COMMITS", "1e3"), ("TELEMETRY_SILENCE_MINUTES", "0"), ("KEEP_BODIES_DAYS", "x"), ("KEEP_KEYS_DAYS", "0"),
        ("DEFAULT_TIMEZONE", "Mars/Olympus"), ("DEFAULT_TIMEZONE", "../../etc/passwd"), ("PRODUCTION_ENVS", " , "),
        ("BASE_URL", "dora.example.com"), ("BASE_URL", "ftp://x"), ("BASE_URL", "https://u:p@x"), ("BASE_URL", "https://x/?a=b"),
        ("BASE_URL", "https://[::1"), ("BASE_URL", "https://x:99999"), ("GITLAB_URL", "gitlab"), ("GITHUB_API_URL", "x"),
        ("DATABASE_URL", "mysql://x/y"), ("DATABASE_URL", "rollforward.db"), ("DATABASE_URL", "sqlite://x.db"),
        ("DATABASE_URL", "sqlite:///"), ("CLONE_URLS", "github.com"), ("CLONE_URLS", "github.com=ssh://x"), ("CLONE_URLS", "=http://x"),
        ("CLONE_URLS", "a=http://x,a=http://y"), ("CLONE_URLS", "github.com/x=http://y"), ("CLONE_URLS", "github.com=--upload-pack=x"),
        ("TLS_CERT", "/no/such/file"), ("GITLAB_SIGNING_TOKEN", CANARY), ("GITLAB_SIGNING_TOKEN", "whsec_c2hvcnQ=" + " " * 16),
        ("GITLAB_SIGNING_TOKEN", "whsec_!!!!!!!!!!!!!!!!"), ("API_KEYS_FILE", "/no/such/file"),
    ],
)  # fmt: skip
def test_mistakes_name_their_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    assert str(caught.value).startswith(f"{name}: ")


def test_a_setting_and_its_file_together_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both"):
        load_settings({"API_KEYS": CANARY, "API_KEYS_FILE": str(tmp_path / "x")})


def test_tls_goes_in_pairs(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("x")
    with pytest.raises(SettingsError, match="TLS_KEY"):
        load_settings({"TLS_CERT": str(tmp_path / "cert")})


@pytest.mark.parametrize("text", ["PORT 80\n", "=x\n", "1A=x\n", "just words\n"])
def test_a_broken_dotenv_names_the_line(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text("# fine\n" + text)
    with pytest.raises(SettingsError, match=r"\.env:2"):
        load_settings({}, tmp_path / ".env")


@pytest.mark.parametrize(
    ("url", "kept", "path"),
    [
        ("sqlite:///relative.db", "sqlite:///relative.db", "relative.db"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db", "/srv/x.db"),
        ("postgres://u@h/d", "postgresql://u@h/d", None),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql", None),
    ],
)
def test_database_urls(url: str, kept: str, path: str | None) -> None:
    settings = load_settings({"DATABASE_URL": url})
    assert settings.database_url == kept
    assert settings.sqlite_path == (Path(path) if path else None)


def test_clone_urls() -> None:
    settings = load_settings({"CLONE_URLS": "github.com=http://127.0.0.1:9001, GitLab.example.com:8443=https://mirror/git/"})
    assert settings.clone_urls == {"github.com": "http://127.0.0.1:9001", "gitlab.example.com:8443": "https://mirror/git"}


@pytest.mark.parametrize(
    ("host", "dashboard"), [("localhost", "public"), ("::1", "public"), ("127.0.0.2", "public"), ("0.0.0.0", "login"), ("10.0.0.1", "login"), ("::", "login")]  # noqa: S104
)
def test_the_dashboard_is_closed_beyond_loopback(host: str, dashboard: str) -> None:
    assert load_settings({"HOST": host}).dashboard == dashboard
    assert load_settings({"HOST": host, "DASHBOARD": "public"}).dashboard == "public"


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text()
    for name in Settings.__dataclass_fields__:
        if name != "origins":
            assert f"`{name.upper()}`" in text, name
