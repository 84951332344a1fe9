"""R4, R5, R10-R12: every failure reason in the words that users know, and all of those that hold."""

import pytest
from msgspec.structs import replace
from unit.core.world import APPLICATION, T0_S, YEAR_S, World, drift_of, license_of, licensed, refused

from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.model import Failure
from licd_daemon.core.view import node_state
from licd_formats.versions import version_matches

WORDS = {
    "CERTIFICATE_EXPIRED": ("The certificate has expired", "Expiration time: 2019-02-22"),
    "VERSION_MISMATCH": (
        "Version mismatch", "Certified application version: 9.0 Local application version: 10.0",
    ),
    "APPLICATION_NAME_MISMATCH": (
        "Application name does not match", "Certified application name: xxx Local application name: yyy",
    ),
    "MAX_AUTHORIZATIONS_REACHED": (
        "The maximum number of authorizations has been reached",
        "The number of cluster nodes exceeds the maximum number of lic that can be registered",
    ),
    "PROJECT_CONTENT_MISMATCH": (
        "Project content does not match", "Certification project content: xxx Local project content: xx",
    ),
    "CERTIFICATE_TYPE_MISMATCH": (
        "Certificate type or version does not match",
        "The selected authentication method does not match the uploaded lic type",
    ),
    "CERTIFICATE_CONTENT_INCORRECT": ("The content of the certificate is incorrect", ""),
    "CLOCK_DRIFT": (
        "Server clocks do not agree", "Node report-2 is 12.3 s ahead of the leader (limit 5 s, error 4 ms)",
    ),
    "BUILD_TOO_OLD": ("The report server's build is too old", "Build 2020-01-01, needs 2021-10-30 or later"),
    "NO_NODES_CONNECTED": ("No node is connected", ""),
}  # fmt: skip


def told(node: str = "report-2", /, license: object = None, **app: str) -> dict[str, Failure]:
    """What a node of this application is told under a license."""
    application = type(APPLICATION)(**{**{f: getattr(APPLICATION, f) for f in APPLICATION.__struct_fields__}, **app})
    return {str(f.reason): f for f in checks.judge_application(license or license_of(), application, node)}  # type: ignore[arg-type]


def example(reason: str) -> Failure:
    """The example of R4's table for a reason, as the core makes it."""
    made = {
        "CERTIFICATE_EXPIRED": lambda: checks.certificate_expired(license_of(expires_at=1_550_793_600)),
        "VERSION_MISMATCH": lambda: told(license=license_of(version="9.0"), version="10.0")[reason],
        "APPLICATION_NAME_MISMATCH": lambda: told(license=license_of(name="xxx"), name="yyy")[reason],
        "MAX_AUTHORIZATIONS_REACHED": lambda: checks.maximum_reached(2),
        "PROJECT_CONTENT_MISMATCH": lambda: told(license=license_of(content="xxx"), content="xx")[reason],
        "CERTIFICATE_TYPE_MISMATCH": checks.certificate_type_mismatch,
        "CERTIFICATE_CONTENT_INCORRECT": checks.certificate_content_incorrect,
        "CLOCK_DRIFT": lambda: checks.clock_drift("report-2", 12_300, 4, 5000),
        "BUILD_TOO_OLD": lambda: told(build_date="2020-01-01")[reason],
        "NO_NODES_CONNECTED": checks.no_nodes,
    }
    return made[reason]()


@pytest.mark.parametrize("reason", WORDS)
def test_R4_the_words_are_those_that_users_know(reason: str) -> None:
    failure = example(reason)
    assert (str(failure.reason), failure.title, failure.detail) == (reason, *WORDS[reason])
    assert failure.remedy.endswith(".")


def test_R4_the_clocks_title_is_fixed_though_its_details_vary() -> None:
    assert checks.clock_untrusted("by 83 s", "Set it.").title == "The leader's clock is not to be trusted"


def test_R4_a_clock_behind_is_told_as_behind() -> None:
    detail = checks.clock_drift("report-2", -12_300, 4, 5000).detail
    assert detail == "Node report-2 is 12.3 s behind the leader (limit 5 s, error 4 ms)"


def test_R1_remedies_quote_the_vendor() -> None:
    assert "Vendor Ltd <licenses@vendor.example>" in checks.certificate_expired(license_of()).remedy


@pytest.mark.parametrize(
    ("certified", "local", "matches"),
    [
        ("10.0", "10.0", True),
        ("10.0", "10.0.19", True),
        ("10.0", "10.0.19.3", True),
        ("10.0", "10.1", False),
        ("10.0", "100", False),
        ("10.0", "100.0", False),
        ("10.0", "10", False),
        ("10.0", "10.01", False),
        ("10", "10.3", True),
        ("10", "1", False),
        ("10", "100", False),
        ("10.0", "", False),
    ],
)
def test_R5_versions_match_when_the_certified_parts_are_a_prefix(certified: str, local: str, matches: bool) -> None:
    assert version_matches(certified, local) is matches
    assert ("VERSION_MISMATCH" in told(license=license_of(version=certified), version=local)) is not matches


@pytest.mark.parametrize(
    ("lowest", "local", "admitted"),
    [
        ("10.0.5", "10.0.5", True),
        ("10.0.5", "10.0.6", True),
        ("10.0.5", "10.0.10", True),
        ("10.0.10", "10.0.9", False),
        ("10.0.5", "10.0.4.99", False),
        ("10.0.5", "10.0.5.1", True),
        ("10.0.5", "10.0", False),
        ("10.0", "10.0.0", True),
        ("10.0.0", "10.0", True),
        ("10.0.5", "10.0.05", True),
        ("10.0.5", "10.0.5-rc1", False),
        ("10.0.5-rc1", "10.0.5", True),
        ("10.0.5-rc1", "10.0.5-rc2", True),
        ("10.0.5-rc2", "10.0.5-rc1", False),
        ("10.0.5", "10.0.6-rc1", True),
        ("10.0.5", "10.0.beta", False),
        ("10.0.5", "10.0.", False),
        ("10.0.5", "10.0.٩", False),
        ("", "10.0", True),
    ],
)
def test_R5_a_version_below_the_lowest_one_is_a_mismatch(lowest: str, local: str, admitted: bool) -> None:
    assert ("VERSION_MISMATCH" in told(license=license_of(min_version=lowest), version=local)) is not admitted


def test_R5_a_version_below_the_lowest_one_names_all_three_versions_once() -> None:
    for local in ("10.0.4", "9.0"):
        failure = told(license=license_of(min_version="10.0.5"), version=local)["VERSION_MISMATCH"]
        assert failure.title == "Version mismatch"
        assert failure.detail == (
            f"Certified application version: 10.0 Local application version: {local} Lowest application version: 10.0.5"
        )
        assert "version 10.0, at least 10.0.5, on this node" in failure.remedy
    above = told(license=license_of(min_version="10.0.5"), version="10.1")["VERSION_MISMATCH"]
    assert above.detail == "Certified application version: 10.0 Local application version: 10.1"


def test_R5_a_lowest_version_keeps_a_node_from_a_seat_until_a_license_without_it() -> None:
    w = licensed(min_version="10.0.5").register("a")
    w.join("b", version="10.0.4")
    assert w.nodes("a", "b") == "LICENSED REJECTED"
    w.upload(issued_at=T0_S + 1)
    assert w.node("b") == "LICENSED"


@pytest.mark.parametrize("content", ["Sales", "sales ", " sales", "", "sale"])
def test_R5_content_is_compared_exactly(content: str) -> None:
    assert list(told(content=content)) == ["PROJECT_CONTENT_MISMATCH"]
    assert told(content="sales") == {}


def test_R5_project_is_only_shown() -> None:
    assert told(license=license_of(project="Another")) == {}


@pytest.mark.parametrize(("build", "old"), [("2021-10-29", True), ("2021-10-30", False), ("2021-10-31", False)])
def test_R4_a_build_of_the_very_day_is_new_enough(build: str, old: bool) -> None:
    assert ("BUILD_TOO_OLD" in told(build_date=build)) is old


def test_R5_all_reasons_are_reported_each_node_named() -> None:
    w = licensed(max_nodes=2)
    w.join("good")
    w.join("wrong", name="other", version="9.0", content="x", build_date="2020-01-01")
    w.join("late")
    w.drift("late")
    w.do(c.JudgeLeaderClock(checks.clock_untrusted("by 83 s off NTP server ntp", "Set it.")))
    with refused("REGISTRATION_REFUSED") as caught:
        w.code(w.challenge())
    found = [(str(failure.reason), failure.node_name) for failure in caught[0].failures]
    assert found == [
        ("CLOCK_UNTRUSTED", ""),
        ("MAX_AUTHORIZATIONS_REACHED", ""),
        ("APPLICATION_NAME_MISMATCH", "wrong"),
        ("VERSION_MISMATCH", "wrong"),
        ("PROJECT_CONTENT_MISMATCH", "wrong"),
        ("BUILD_TOO_OLD", "wrong"),
        ("CLOCK_DRIFT", "late"),
    ]
    assert w.state.last_failures == tuple(replace(each, at=w.now.wall) for each in caught[0].failures)
    assert w.registration == "UNREGISTERED"


def test_R10_an_expired_license_and_no_nodes_block_together() -> None:
    w = licensed()
    w.until(T0_S + YEAR_S)
    assert [str(f.reason) for f in checks.blocking(w.state, w.now)] == ["CERTIFICATE_EXPIRED", "NO_NODES_CONNECTED"]


def test_R10_without_nodes_there_is_nothing_to_register() -> None:
    w = licensed()
    with refused("REGISTRATION_REFUSED") as caught:
        w.code(w.challenge())
    assert [str(failure.reason) for failure in caught[0].failures] == ["NO_NODES_CONNECTED"]


def test_R11_as_many_nodes_as_the_maximum_register_and_one_more_is_refused() -> None:
    w = licensed(max_nodes=2)
    for name in ("a", "b", "c"):
        w.join(name)
    challenge_id = w.challenge()
    with refused("REGISTRATION_REFUSED") as caught:
        w.code(challenge_id)
    assert [str(failure.reason) for failure in caught[0].failures] == ["MAX_AUTHORIZATIONS_REACHED"]
    w.leave("c")
    w.code(challenge_id)
    assert w.registration == "REGISTERED"
    assert w.nodes("a", "b") == "LICENSED LICENSED"


def test_R11_after_the_registration_a_node_gets_a_free_seat_or_waits_and_is_told_why() -> None:
    w = licensed(max_nodes=2).register("a")
    w.join("b")
    w.join("c")
    assert w.nodes("a", "b", "c") == "LICENSED LICENSED WAITING"
    _, (failure,) = node_state(w.state, w.session("c"))
    assert failure.title == WORDS["MAX_AUTHORIZATIONS_REACHED"][0]


def test_R12_a_node_that_does_not_match_stays_connected_as_rejected_and_gets_no_seat() -> None:
    w = licensed().register("a")
    w.join("b", version="9.0")
    assert w.node("b") == "REJECTED"
    assert w.reasons("b") == ["VERSION_MISMATCH"]
    w.resume("b")
    assert w.node("b") == "REJECTED"


def test_R12_a_clock_found_wrong_at_the_join_costs_the_seat_and_heals() -> None:
    w = licensed(max_nodes=2).register("a")
    w.join("b")
    w.drift("b", joining=True)
    assert w.node("b") == "REJECTED"
    assert w.reasons("b") == ["CLOCK_DRIFT"]
    w.join("c")
    assert w.node("c") == "WAITING"  # the seat drains
    w.drained("b")
    assert w.node("c") == "LICENSED"
    w.heal("b")
    assert w.node("b") == "WAITING"


def test_R12_a_rejected_clock_that_heals_before_the_drain_ends_gets_its_own_seat_back() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.drift("a", joining=True)
    w.heal("a")
    assert w.nodes("a", "b") == "LICENSED WAITING"


def test_R12_a_seated_node_whose_clock_drifts_is_flagged_and_keeps_its_seat() -> None:
    w = licensed().register("a")
    w.drift("a")
    assert w.node("a") == "LICENSED"
    assert w.session("a").clock == drift_of("a")
    w.drift("a")
    assert w.kinds() == []
    w.heal("a")
    assert w.session("a").clock is None


def test_R22_the_leaders_clock_is_told_once_at_each_change() -> None:
    w = World()
    failure = checks.clock_untrusted("by 83 s off NTP server ntp", "Set it.")
    for judged, told_of in ((None, 0), (failure, 1), (failure, 0), (None, 1), (None, 0)):
        w.do(c.JudgeLeaderClock(judged))
        assert len(w.kinds()) == told_of
