"""A local certificate authority and certificates for the names that the original's clients ask for.

The clients build host names out of a site (`api.<site>`, `sourcemap-intake.<site>`) and speak https only, so a site of one's own needs
a certificate for them. The authority may sign for that site alone: whoever gets hold of its key can pretend to be nobody else.
"""

import datetime
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

INTAKES = ("api", "sourcemap-intake", "webhook-intake")
"""The hosts below a site: for nearly everything, for the list of tracked files, for PagerDuty."""
AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397
"""Clients of some vendors refuse certificates that live longer."""

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class CertificateError(Exception):
    """Certificates cannot be made as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What was made, and where; `authority` is for clients, the other two are TLS_CERT and TLS_KEY."""

    authority: Path
    certificate: Path
    key: Path
    names: tuple[str, ...]
    expires: datetime.datetime
    new_authority: bool


def site_name(site: str) -> str:
    """The host of a site as clients are given it (`host[:port][/path]`), lower case; raises CertificateError."""
    host = site.strip().lower().removeprefix("https://").partition("/")[0].partition(":")[0].rstrip(".")
    labels = host.split(".")
    if len(host) > 200 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise CertificateError(f"{site[:100]!r} is no site: write a domain of your own, like dora.example.com")
    if labels[-1].isdecimal():
        raise CertificateError(f"{host} is an address: clients put api. before the site, which needs a name")
    return host


def make_certificates(
    folder: Path, site: str, *, others: Sequence[str] = (), now: datetime.datetime
) -> Certificates:
    """Make the server's certificate for `site` (as `site_name` gives it) and `others` (names, addresses), and its authority if
    `folder` has none; raises CertificateError.
    """
    names = tuple(dict.fromkeys((*(f"{intake}.{site}" for intake in INTAKES), site, *others)))
    authority_path, authority_key_path = folder / "ca.pem", folder / "ca.key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not authority_path.exists()
        if new:
            authority, authority_key = _authority(site, names, now)
            _write(authority_key_path, _pem_key(authority_key), mode=0o600)
            _write(authority_path, _pem(authority), mode=0o644)
        else:
            authority, authority_key = _read(authority_path, authority_key_path)
            _check_scope(authority, names, authority_path)
        certificate, key = _server(names, authority, authority_key, now)
        _write(folder / "server.key", _pem_key(key), mode=0o600)
        _write(folder / "server.pem", _pem(certificate) + _pem(authority), mode=0o644)
    except OSError as error:
        raise CertificateError(f"{error.filename or folder}: {error.strerror}") from error
    return Certificates(
        authority=authority_path, certificate=folder / "server.pem", key=folder / "server.key", names=names,
        expires=certificate.not_valid_after_utc, new_authority=new,
    )


def read_certificate(path: Path) -> tuple[tuple[str, ...], datetime.datetime]:
    """The names of a server's certificate (the first of a chain), and when it ends; raises CertificateError."""
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CertificateError(f"{path} holds no certificate in PEM") from error
    try:
        told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), certificate.not_valid_after_utc
    addresses = map(str, told.get_values_for_type(x509.IPAddress))
    return (*told.get_values_for_type(x509.DNSName), *addresses), certificate.not_valid_after_utc


def _authority(
    site: str, names: Sequence[str], now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rollforward local CA for {site}"[:64])])
    outside = [one for one in names if not _below(one, site)]
    permitted = [x509.DNSName(site), *(_constraint(one) for one in outside)]
    if not any(isinstance(one, x509.IPAddress) for one in permitted):
        # A constraint on names says nothing of addresses: without this one every address would be allowed.
        excluded: list[x509.GeneralName] | None = [
            x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")), x509.IPAddress(ipaddress.ip_network("::/0")),
        ]  # fmt: skip
    else:
        excluded = None
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key, now, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _server(
    names: Sequence[str], authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    public = authority_key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, authority.subject, key, now, days=SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, *, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of build machines are not exact.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _below(name: str, site: str) -> bool:
    return name == site or name.endswith(f".{site}")


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.lower())
    except ValueError:
        raise CertificateError(f"{name[:100]!r} is neither a name nor an address") from None


def _constraint(name: str) -> x509.GeneralName:
    general = _general(name)
    return x509.IPAddress(ipaddress.ip_network(name)) if isinstance(general, x509.IPAddress) else general


def _check_scope(authority: x509.Certificate, names: Sequence[str], path: Path) -> None:
    try:
        told = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or ()
    except x509.ExtensionNotFound:
        return
    hosts = [one.value for one in told if isinstance(one, x509.DNSName)]
    networks = [one.value for one in told if isinstance(one, x509.IPAddress)]
    for name in names:
        general = _general(name)
        if isinstance(general, x509.IPAddress):
            allowed = any(not isinstance(net, ipaddress.IPv4Address | ipaddress.IPv6Address) and general.value in net for net in networks)
        else:
            allowed = any(_below(name, host) for host in hosts)
        if not allowed:
            raise CertificateError(
                f"the authority in {path} may not sign for {name}: give --out another folder, "
                "or remove that one to make a new authority (clients then need its ca.pem)"
            )


def _read(certificate: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate(certificate.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except ValueError as error:
        raise CertificateError(f"{certificate.parent} holds an authority that cannot be read: {error}") from error
    if not isinstance(secret, ec.EllipticCurvePrivateKey) or secret.public_key() != authority.public_key():
        raise CertificateError(f"{key} does not belong to {certificate}")
    return authority, secret


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    # Beside, then in its place: a server that starts meanwhile finds a whole file, and a key is never readable by others.
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    beside.replace(path)
