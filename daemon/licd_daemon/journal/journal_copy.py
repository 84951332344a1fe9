"""A journal from one place to another, while no daemon uses either: `licd journal copy`.

- Every entry is copied as it is, and its digest with it; the copy's end must have the digest of the original's.
- A journal that a daemon uses is not copied, and none is copied onto entries that are there.
- Snapshots are not copied: they are only a shortcut for a start.
"""

from licd_daemon.journal.port import Head, Journal, JournalError

_BATCH = 1000


async def copy(source: Journal, target: Journal) -> Head:
    """Copy a journal that no daemon uses into one that holds no entry yet, and give its end.

    Raises:
        JournalError: the target holds entries, or the copy does not end as the original does.
    """
    found = await target.verify()
    if found.position:
        raise JournalError(f"the target holds {found.position} entries already: name an empty one")
    end = await source.verify()
    _, records = await source.load(replay=True)
    head = Head()
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        await target.append(batch, head)
        head = Head(batch[-1].position, batch[-1].digest)
    if not head == await target.verify() == await source.verify() == end:
        raise JournalError("the copy does not end as the original does: remove it, and copy again")
    return end
