"""The page behind the QR (R24 to R26, R28, R30)."""
