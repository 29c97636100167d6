"""`certs`: certificates for a site of one's own, and the lines that put them to use."""

import datetime
import json
from pathlib import Path

import click

from bot.cli.context import settings


@click.command()
@click.option("--site", required=True, metavar="S", help="The site that clients are given (DD_SITE), e.g. dora.example.com.")
@click.option("--name", "others", multiple=True, metavar="NAME", help="Another name or address of the server (repeatable).")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to [default: DATA_DIR/certs/SITE].")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def certs(site: str, others: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Make a local certificate authority and a certificate for api.S and sourcemap-intake.S.

    Given again it renews the server's certificate and keeps the authority, so that clients go on trusting it.
    """
    # Here: no other command needs it, and it takes a while to load.
    from bot import certificates

    try:
        host = certificates.site_name(site)
        folder = out or settings().data_dir / "certs" / host
        made = certificates.make_certificates(
            folder.absolute(), host, others=others, now=datetime.datetime.now(datetime.UTC)
        )
    except certificates.CertificateError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({
            "ca": str(made.authority), "certificate": str(made.certificate), "key": str(made.key),
            "names": list(made.names), "expires": made.expires.isoformat(), "new_ca": made.new_authority,
        }, indent=2))  # fmt: skip
        return
    state = "new authority" if made.new_authority else "same authority as before"
    click.echo(f"# valid until {made.expires:%Y-%m-%d} ({state}) for {', '.join(made.names)}", err=True)
    click.echo("# for the server (.env), which reads them when it starts:", err=True)
    click.echo(f"TLS_CERT={made.certificate}")
    click.echo(f"TLS_KEY={made.key}")
    click.echo(
        f"# for clients: copy {made.authority} to them, let {made.names[0]} and {made.names[1]} resolve to the server, and set\n"
        f"#   DD_SITE={host}:PORT NODE_EXTRA_CA_CERTS=ca.pem   (without :PORT when the server listens on 443)\n"
        f"# Keep {made.authority.with_name('ca.key')} to yourself: it renews the certificate.",
        err=True,
    )


COMMANDS = (certs,)
