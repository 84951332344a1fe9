"""The vendor's side of licd: contracts, Container.lic, bindings, and the portal behind the QR.

Never ships to a customer; next to the daemon it is an import root that uses `licd_formats` and `licd_kit` alone.
"""
