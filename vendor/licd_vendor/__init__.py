"""The vendor's side of licd: contracts, Container.lic, bindings, and the portal behind the QR.

Never ships to a customer; of the import roots beside the daemon it stands on `licd_formats` and `licd_kit` alone.
"""
