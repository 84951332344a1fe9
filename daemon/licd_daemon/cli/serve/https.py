"""The console's TLS: the daemon's own certificate, and its renewals (R34), for each new connection."""

import ssl

from licd_daemon.cli.serve.tls import TlsFiles, TlsInvalid, Watch, read_configuration


def server_context(watch: Watch[ssl.SSLContext]) -> ssl.SSLContext:
    """A context whose new connections get what a watch over `read_context` has loaded then."""
    current = watch.loaded

    def follow(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal current
        current = watch.fetch() or current
        connection.context = current

    watch.loaded.sni_callback = follow
    return watch.loaded


def read_context(files: TlsFiles) -> ssl.SSLContext:
    """The files as Python's TLS takes them, checked.

    Raises:
        TlsInvalid: as the files are now, they can't be used.
    """
    read_configuration(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise TlsInvalid(f"{files.certificate}: {error}: give a certificate and its key") from None
    return context
