"""The vendor's side of licd: contracts, Container.lic, bindings, and the portal behind the QR.

Never ships to a customer; of the daemon it imports `licd_formats` and nothing else.
"""
