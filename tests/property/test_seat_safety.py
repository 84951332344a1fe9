"""R13: at no instant do more than `max_nodes` processes believe that they are licensed, whatever befalls them.
R17: and a registration never lives on in processes of which none, transitively, overlapped with those it began with.
"""

import pytest
from support import seeded

BLOCK = 60


@pytest.mark.parametrize("max_nodes", [1, 2])
@pytest.mark.parametrize("block", range(4))
def test_R13_R17_no_more_processes_believe_than_are_licensed_and_new_ones_prove_nothing(
    max_nodes: int, block: int
) -> None:
    done = seeded.run("property.seats", block * BLOCK, BLOCK, max_nodes)
    assert done.returncode == 0, done.stderr
    full, outlived = map(int, done.stdout.split())
    assert full > 20  # the runs are of clusters that work,
    assert outlived > 0  # and of registrations that outlive the processes that they began with.
