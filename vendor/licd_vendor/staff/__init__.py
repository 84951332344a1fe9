"""The page of the vendor's staff: licenses, bindings, scans, alerts; unbind, revoke, settle. Not for phones."""
