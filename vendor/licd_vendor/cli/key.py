"""`licd-vendor key`: retire a signing key, encrypt the private keys."""

from pathlib import Path

import click

from licd_vendor import clock, keys
from licd_vendor.cli.common import Session, pass_session
from licd_vendor.errors import RefusedError
from licd_vendor.passphrase import read_secret
from licd_vendor.store import audit, records
from licd_vendor.store.audit import Act

_NEW = "LICD_VENDOR_NEW_PASSPHRASE"


@click.group()
def key() -> None:
    """Retire a signing key, encrypt the private keys."""


@key.command()
@click.argument("key_id")
@click.option(
    "--in-use", is_flag=True, help="Even if live licenses were signed with it, such as for a key that was stolen."
)
@pass_session
def retire(session: Session, key_id: str, in_use: bool) -> None:
    """Take KEY_ID out of vendor-keys.json, and destroy its private key.

    Daemons that get the new set refuse what it has signed. A cluster that is registered goes on.
    """
    with session.database() as database, database.writing() as connection:
        used = records.live_licenses_of_key(connection, key_id, clock.now())
        if used and not in_use:
            raise RefusedError(
                f"key {key_id}: {used} live license(s) were signed with it; reissue them first, or say --in-use"
            )
        audit.keep(connection, session.who, Act.KEY_RETIRED, clock.now(), detail=key_id)
        keys.retire(session.home, key_id, session.passphrase)
    click.echo(f"signing key {key_id} is retired: {session.home / keys.PUBLIC_SET} holds it no more; ship that file")


@key.command()
@click.option(
    "--new-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"File with the new passphrase.  [default: {_NEW}, or asked on a terminal]",
)
@pass_session
def encrypt(session: Session, new_passphrase_file: Path | None) -> None:
    """Encrypt every private key with a new passphrase, whether it has one or not.

    One that was interrupted is finished by running it again.
    """
    new = read_secret("New passphrase of the keys", _NEW, new_passphrase_file, confirm=True)
    if not new:
        raise RefusedError(f"passphrase: give the new one by {_NEW}, --new-passphrase-file or on a terminal")
    changed = keys.encrypt(session.home, session.passphrase, new)
    if changed:
        with session.database() as database, database.writing() as connection:
            audit.keep(connection, session.who, Act.KEYS_ENCRYPTED, clock.now(), detail=", ".join(changed))
    click.echo(f"encrypted with the new passphrase: {', '.join(changed) or 'all were so before'}")
