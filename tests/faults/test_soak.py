"""`make soak` in small: a seed replays, and its last line says how it went."""

from support import seeded


def test_a_soak_says_its_seed_and_ends_with_one_line() -> None:
    done = seeded.run("faults.soak", "--minutes", 0.2, "--seed", 1)
    lines = done.stdout.splitlines()
    assert lines[0] == "soak: seed 1, 0.2 minutes"
    assert lines[-1].startswith("soak: "), done.stdout + done.stderr
    assert lines[-1].endswith(" schedules, 0 violations"), done.stdout + done.stderr
    assert done.returncode == 0
