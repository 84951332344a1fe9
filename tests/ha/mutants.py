"""Bugs planted on purpose in what makes one daemon of several lead, and the test of this folder that must notice each.

As in `faults/mutants.py`: one replacement in a COPY of the package, which stands first on PYTHONPATH of a subprocess
and of the daemons that it starts. `python -m ha.mutants [NAME...]` plants and hunts them; without names, all.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faults.bugs import SHELL, Mutant
from faults.mutants import ROOT, hunt_all, planted

TEST_FAILED = 1


@dataclass(frozen=True)
class Hunted:
    """A mutant, and the test that notices it. `cheap`: in seconds."""

    mutant: Mutant
    test: str
    cheap: bool = True


def _hunted(name: str, rule: str, file: str, old: str, new: str, test: str, *, cheap: bool = True) -> Hunted:
    return Hunted(Mutant(name, rule, f"{SHELL}/{file}", old, new), f"tests/{test}", cheap)


HUNTED = (
    _hunted(
        "append-not-fenced",
        "R32: every append is fenced by the leadership that it was made under",
        "journal/etcd/backend.py",
        "conditions = (Created(self._keys.leader, self._term()), Modified(self._keys.head, found.modified))",
        "conditions = (Modified(self._keys.head, found.modified),)",
        "ha/test_etcd_journal.py::test_r32_a_deposed_leader_writes_nothing",
    ),
    _hunted(
        "late-append-not-shut-out",
        "an append of unknown outcome is settled by a write that it can't follow",
        "journal/etcd/backend.py",
        "                await self._commit(found, [Put(self._keys.head, etcd_reads.head_value(found.head)), rest])\n",
        "                await self._commit(found, [rest])\n",
        "ha/test_etcd_journal.py::test_an_append_that_arrives_after_it_was_given_up_is_nothing",
    ),
    _hunted(
        "unknown-outcome-sent-again",
        "a transaction of unknown outcome is read back, never retried blindly",
        "journal/etcd/client.py",
        'if sent_once and _NO_LEADER not in (error.details() or ""):',
        "if False:",
        "ha/test_client.py::test_a_write_whose_answer_is_lost_is_not_sent_again",
    ),
    _hunted(
        "deadline-counts-from-the-answer",
        "R32: one's own deadline counts from when the renewal was sent",
        "leadership/etcd.py",
        "self._proven(sent, renewed.ttl_s)",
        "self._proven(self._boot(), renewed.ttl_s)",
        "ha/test_leadership.py::test_the_deadline_counts_from_before_the_renewal_was_sent",
    ),
    _hunted(
        "no-deadline-of-ones-own",
        "R32: from its lease's end on a deposed leader answers nothing",
        "leadership/etcd.py",
        "return not self.over.is_set() and self._boot() < self._valid_until",
        "return not self.over.is_set() and self._valid_until > 0",
        "ha/test_leadership.py::test_a_process_that_slept_through_its_lease_is_no_leader_when_it_wakes",
    ),
    _hunted(
        "renewal-does-not-look-at-the-key",
        "etcd has been seen to renew a lease whose key was gone",
        "leadership/etcd.py",
        "if renewed.ttl_s > 0 and renewed.item is not None and renewed.item.created == self._term:",
        "if renewed.ttl_s > 0:",
        "ha/test_leadership.py::test_who_has_lost_the_key_never_leads_again_in_this_term",
        cheap=False,
    ),
    _hunted(
        "epoch-not-bumped",
        "R14: each change of leader makes a new epoch",
        "leadership/etcd.py",
        "epoch = max(at_least, int(epoch_item.value) + 1 if epoch_item else 1)",
        "epoch = max(at_least, int(epoch_item.value) if epoch_item else 1)",
        "contract/test_leadership.py::test_r14_each_epoch_is_higher_than_the_ones_before",
    ),
    _hunted(
        "reads-answered-without-proof",
        "R32: who can't prove that it leads answers no reads",
        "coordinator/coordinator.py",
        "        if not self.leads():\n            raise _not_leader()\n        return self.state",
        "        return self.state",
        "ha/test_schedules.py::test_r32_a_leader_that_is_cut_from_etcd_stops_before_another_leads",
        cheap=False,
    ),
    _hunted(
        "acknowledged-without-proof",
        "R32: who can't prove that it leads acknowledges no heartbeats",
        "coordinator/coordinator.py",
        "return served if leads else None",
        "return served",
        "ha/test_schedules.py::test_r32_a_leader_that_is_cut_from_etcd_stops_before_another_leads",
        cheap=False,
    ),
)


def hunt(hunted: Hunted, timeout: float = 280) -> str:
    """What noticed the mutant; empty: it lives."""
    with tempfile.TemporaryDirectory() as name:
        env = planted(hunted.mutant, Path(name))
        # Elsewhere than in the tree, whose packages `-m` would put before the copies.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-c", f"{ROOT}/pyproject.toml"]
        try:
            done = subprocess.run(
                [*command, f"{ROOT}/{hunted.test}"],
                cwd=name, capture_output=True, text=True, env=env, timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            # What a failed test leaves open can keep its process from ending; that it failed was told before.
            if (late.stdout or b"").startswith(b"F"):
                return f"FAILED {hunted.test}, and did not end"
            raise
    lines = done.stdout.strip().splitlines()
    if done.returncode == TEST_FAILED and "FAILED" in done.stdout:
        return next(line for line in lines if line.startswith("FAILED"))
    return "" if done.returncode == 0 else f"broken: {' | '.join(lines[-3:])}"


def main() -> int:
    """See the module."""
    return hunt_all({each.mutant.name: partial(hunt, each) for each in HUNTED}, "FAILED")


if __name__ == "__main__":
    sys.exit(main())
