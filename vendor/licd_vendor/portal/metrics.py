"""What the portal counts, for Prometheus. Labels are words of this program: nothing that a stranger has written.

With several workers the library keeps the counts in files, in the folder that PROMETHEUS_MULTIPROC_DIR names before
this module is imported; the operations server sums them up.
"""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("licd_portal_requests", "Requests answered", ["route", "method", "status"])
SECONDS = Histogram(
    "licd_portal_request_seconds",
    "How long an answer took",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SCANS = Counter("licd_portal_scans", "Taps judged", ["purpose", "verdict"])
LIMITED = Counter("licd_portal_limited", "Taps refused because they came too often", ["purpose"])
