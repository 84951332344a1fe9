"""Section 5: a data directory that dies with its container is told of."""

from pathlib import Path

import pytest

from licd_kit.filesystem import ephemeral_filesystem

MOUNTS = """\
22 1 0:21 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
23 22 0:22 / /proc rw - proc proc rw
24 22 0:23 / /dev/shm rw,nosuid shared:5 - tmpfs tmpfs rw
25 22 259:1 / /data rw,relatime - ext4 /dev/sda1 rw
26 25 0:24 / /data/scratch rw - tmpfs none rw
27 22 259:2 / /with\\040space rw - xfs /dev/sdb1 rw
28 22 0:25 / /twice rw - tmpfs none rw
29 28 259:3 / /twice rw - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "overlay"),
        ("/var/lib/licd", "overlay"),
        ("/database", "overlay"),
        ("/dev/shm/licd", "tmpfs"),
        ("/data", None),
        ("/data/licd", None),
        ("/data/../var", "overlay"),
        ("/data/scratch/licd", "tmpfs"),
        ("/with space/licd", None),
        ("/twice/licd", None),
    ],
)
def test_the_mount_nearest_to_the_path_counts(tmp_path: Path, path: str, kind: str | None) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert ephemeral_filesystem(Path(path), tmp_path / "mountinfo") == kind


def test_a_symlink_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    (tmp_path / "link").symlink_to("/data/scratch")
    assert ephemeral_filesystem(tmp_path / "link", tmp_path / "mountinfo") == "tmpfs"


def test_a_system_without_the_table_is_not_judged(tmp_path: Path) -> None:
    assert ephemeral_filesystem(tmp_path, tmp_path / "missing") is None


def test_this_systems_own_table_is_read() -> None:
    assert ephemeral_filesystem(Path("/proc")) is None
