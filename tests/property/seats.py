"""`python -m property.seats FIRST COUNT MAX_NODES`: simulated clusters of the seeds from FIRST on, each checked always.

Prints in how many every seat was held at once, and in how many a registration outlived all that it began with.
"""

import sys

from property.simulated_cluster import Cluster
from support import seeded

STEPS = 2000


def main() -> None:
    """See the module."""
    first, count, max_nodes = map(int, sys.argv[1:])
    full = outlived = 0
    for seed in range(first, first + count):
        cluster = Cluster(seed, max_nodes)
        for _ in range(STEPS):
            cluster.step()
        full += cluster.licensed_at_once == max_nodes
        outlived += cluster.outlived > 0
    print(full, outlived)


if __name__ == "__main__":
    seeded.begin_again()
    seeded.quiet()
    main()
