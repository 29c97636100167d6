"""Certificates of one's own: what clients check of them, by handshakes; the command that makes them."""

import asyncio
import datetime
import json
import ssl
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bot import certificates
from bot.certificates import CertificateError, make_certificates, site_name
from bot.cli.main import main

SITE = "dora.example.com"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def shakes_hands(folder: Path, name: str) -> str:
    """"" when a client that trusts the authority alone accepts the server under this name, else why not."""
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(folder / "server.pem", folder / "server.key")
    client_side = ssl.create_default_context(cafile=folder / "ca.pem")
    client_side.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side, server_hostname=name)
        writer.close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        server.close()
    return ""


async def test_clients_accept_the_names_of_the_site_and_no_others(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, SITE, others=("127.0.0.1", "ci.internal"), now=now())
    assert made.names == (f"api.{SITE}", f"sourcemap-intake.{SITE}", f"webhook-intake.{SITE}", SITE, "127.0.0.1", "ci.internal")
    for name in made.names:
        assert await shakes_hands(tmp_path, name) == "", name
    assert "mismatch" in await shakes_hands(tmp_path, "api.example.com")


@pytest.mark.parametrize("foreign", ["api.datadoghq.com", "example.com", "127.0.0.1"])
async def test_the_authority_can_pretend_to_be_nobody_else(tmp_path: Path, foreign: str) -> None:
    make_certificates(tmp_path, SITE, now=now())
    authority, secret = certificates._read(tmp_path / "ca.pem", tmp_path / "ca.key")
    certificate, key = certificates._server((foreign,), authority, secret, now())
    (tmp_path / "server.pem").write_bytes(certificates._pem(certificate) + certificates._pem(authority))
    (tmp_path / "server.key").write_bytes(certificates._pem_key(key))
    assert "subtree" in await shakes_hands(tmp_path, foreign)


async def test_given_again_it_renews_under_the_same_authority(tmp_path: Path) -> None:
    first = make_certificates(tmp_path, SITE, now=now() - datetime.timedelta(days=500))
    assert "expired" in await shakes_hands(tmp_path, f"api.{SITE}")
    authority = first.authority.read_bytes()
    again = make_certificates(tmp_path, SITE, now=now())
    assert (first.new_authority, again.new_authority) == (True, False)
    assert again.authority.read_bytes() == authority
    assert await shakes_hands(tmp_path, f"api.{SITE}") == ""
    with pytest.raises(CertificateError, match=r"may not sign for ci\.internal"):
        make_certificates(tmp_path, SITE, others=("ci.internal",), now=now())


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "new", SITE, now=now())
    for path in (made.key, tmp_path / "new" / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    leaf = x509.load_pem_x509_certificates(made.certificate.read_bytes())[0]
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.not_valid_after_utc - now() < datetime.timedelta(days=398)


def test_an_authority_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, SITE, now=now())
    (tmp_path / "ca.key").write_bytes(made.key.read_bytes())
    with pytest.raises(CertificateError, match="does not belong to"):
        make_certificates(tmp_path, SITE, now=now())
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(CertificateError, match="cannot be read"):
        make_certificates(tmp_path, SITE, now=now())
    assert (tmp_path / "ca.pem").read_text() == "nonsense"


@pytest.mark.parametrize(
    ("given", "host"),
    [("Dora.Example.com", SITE), ("dora.example.com:8443/team-a", SITE), ("https://dora.example.com/", SITE)],
)
def test_a_site_is_taken_as_clients_are_given_it(given: str, host: str) -> None:
    assert site_name(given) == host


@pytest.mark.parametrize("given", ["", "localhost", "127.0.0.1", "a..b", "-a.example", "exa mple.com", "x" * 64 + ".de", "[::1]:80"])
def test_a_site_needs_a_domain(given: str) -> None:
    with pytest.raises(CertificateError):
        site_name(given)


def test_the_command_prints_lines_for_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = CliRunner().invoke(main, ["certs", "--site", f"{SITE}:8443", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [f"TLS_CERT={folder}/server.pem", f"TLS_KEY={folder}/server.key"]
    assert "NODE_EXTRA_CA_CERTS" in result.stderr and SITE in result.stderr
    told = json.loads(CliRunner().invoke(main, ["certs", "--site", SITE, "--out", str(folder), "--json"]).stdout)
    assert told["new_ca"] is False and told["names"][0] == f"api.{SITE}"
    bad = CliRunner().invoke(main, ["certs", "--site", "localhost"])
    assert bad.exit_code == 1 and "dora.example.com" in bad.stderr


@pytest.mark.parametrize(("days_ago", "verdict"), [(0, "ok"), (380, "note"), (400, "WRONG")])
def test_doctor_says_when_a_certificate_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_ago: int, verdict: str) -> None:
    made = make_certificates(tmp_path / "certs", SITE, now=now() - datetime.timedelta(days=days_ago))
    settings = {"TLS_CERT": str(made.certificate), "TLS_KEY": str(made.key), "DATA_DIR": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(main, ["doctor"]).output
    line = next(line for line in said.splitlines() if "certificate for" in line)
    assert line.startswith(verdict) and f"{made.expires:%Y-%m-%d}" in line and f"api.{SITE}" in line
    assert ("restart the server" in line) is (verdict != "ok")
