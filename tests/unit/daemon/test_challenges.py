"""R6-R9, R30: the challenge's flow around the core, on a real coordinator, with a vendor who opens what was sealed."""

import asyncio

import pytest
from support.vendor import TestVendor
from support.waiting import until
from unit.daemon.deployment import ADMIN, Deployment, join_of

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.leader_clock import LeaderClock
from licd_daemon.core import commands as c
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.view import registration_state
from licd_daemon.operations.challenges import Challenges
from licd_formats.challenge import NO_PREDECESSOR, Purpose
from licd_formats.vendor_keys import VendorKeys


def new_challenges(coordinator: Coordinator, vendor: TestVendor) -> Challenges:
    keys = VendorKeys.of({"key-1": vendor.signing.public_key()})
    return Challenges(coordinator, keys, LeaderClock(coordinator, (), 5000))


async def challenges_of(coordinator: Coordinator, vendor: TestVendor, *names: str) -> Challenges:
    """With the vendor's license and nodes of these names."""
    challenges = new_challenges(coordinator, vendor)
    await challenges.upload(vendor.lic(), "LOCAL_CONTAINER", ADMIN)
    for name in names:
        await coordinator.submit(join_of(name))
    return challenges


def another(code: str) -> str:
    """A code that is wrong."""
    return f"{(int(code) + 1) % 10**6:06d}"


async def refusal(challenges: Challenges, challenge_id: str, code: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await challenges.submit(challenge_id, code, ADMIN)
    return caught.value


async def test_R6_what_is_sealed_is_what_the_portal_needs(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a", "b")
        challenge, pictures = await challenges.create(ADMIN)
        first = vendor.open(challenge.url)
        assert coordinator.state.license is not None
        assert first.license_id == coordinator.state.license.license_id
        assert first.project_key.hex() == coordinator.state.project_key
        assert first.challenge_id.hex() == challenge.challenge_id
        assert first.predecessor == NO_PREDECESSOR
        assert first.node_count == 2
        assert pictures.version == 8
        await challenges.submit(challenge.challenge_id, first.code, ADMIN)
        second = vendor.open((await challenges.create(ADMIN))[0].url)
        assert second.predecessor == first.challenge_id
        assert second.project_key == first.project_key
        assert second.challenge_id != first.challenge_id


async def test_R8_a_right_code_registers_and_repeating_it_is_the_same_answer(
    deployment: Deployment, vendor: TestVendor
) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a")
        challenge, _ = await challenges.create(ADMIN)
        code = vendor.code(challenge.url)
        assert str(registration_state(await challenges.submit(challenge.challenge_id, code, ADMIN))) == "REGISTERED"
        position = coordinator.position
        assert str(registration_state(await challenges.submit(challenge.challenge_id, code, ADMIN))) == "REGISTERED"
        refused = await refusal(challenges, challenge.challenge_id, another(code))
        assert (refused.reason, refused.metadata) == (Reason.CHALLENGE_EXPIRED, {"state": "USED"})
        assert coordinator.state.lockout.wrong_codes == 0
        assert coordinator.position == position


async def test_R9_guesses_made_at_once_are_counted_one_by_one(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a")
        challenge, _ = await challenges.create(ADMIN)
        wrong = another(vendor.code(challenge.url))
        refusals = await asyncio.gather(*(refusal(challenges, challenge.challenge_id, wrong) for _ in range(12)))
        assert [refused.reason for refused in refusals].count(Reason.WRONG_CODE) == 5
        assert [refused.reason for refused in refusals].count(Reason.LOCKED_OUT) == 7
        assert coordinator.state.lockout.wrong_codes == 6
        with pytest.raises(Refused) as caught:
            await challenges.create(ADMIN)
        assert caught.value.reason is Reason.LOCKED_OUT


async def test_R9_a_caller_who_goes_away_has_his_attempt_settled_all_the_same(
    deployment: Deployment, vendor: TestVendor
) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a")
        challenge, _ = await challenges.create(ADMIN)
        submitted = asyncio.create_task(challenges.submit(challenge.challenge_id, vendor.code(challenge.url), ADMIN))
        await until(lambda: coordinator.state.lockout.attempt_open)
        submitted.cancel()
        await until(lambda: str(registration_state(coordinator.state)) == "REGISTERED")
        assert not coordinator.state.lockout.attempt_open


async def test_R7_a_restart_ends_the_challenge_uncounted(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenge, _ = await (await challenges_of(coordinator, vendor, "a")).create(ADMIN)
    async with deployment.started() as coordinator:
        challenges = new_challenges(coordinator, vendor)
        refused = await refusal(challenges, challenge.challenge_id, vendor.code(challenge.url))
        assert refused.reason is Reason.CHALLENGE_EXPIRED
        assert coordinator.state.lockout.wrong_codes == 0


async def test_R1_a_forged_license_is_refused_without_a_detail(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor)
        before = coordinator.state.license
        with pytest.raises(Refused) as caught:
            await challenges.upload(TestVendor().lic(), "LOCAL_CONTAINER", ADMIN)
        (failure,) = caught.value.failures
        assert (failure.title, failure.detail) == ("The content of the certificate is incorrect", "")
        assert coordinator.state.license == before


async def test_R30_a_release_is_sealed_once_and_shown_until_the_next_upload(
    deployment: Deployment, vendor: TestVendor
) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a")
        key = coordinator.state.project_key
        state, _ = await challenges.release(ADMIN)
        assert state.release is not None
        sealed = vendor.open(state.release.url, Purpose.RELEASE)
        assert (sealed.project_key.hex(), sealed.code) == (key, "000000")
        again, pictures = await challenges.release(ADMIN)
        assert again.release == state.release
        assert pictures.version <= 10
        await challenges.upload(vendor.lic(), "LOCAL_CONTAINER", ADMIN)
        assert coordinator.state.release is None
        assert coordinator.state.project_key not in (None, key)


async def test_R30_without_a_license_there_is_nothing_to_release(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenges = new_challenges(coordinator, vendor)
        for asked in (challenges.release, challenges.create):
            with pytest.raises(Refused) as caught:
                await asked(ADMIN)
            assert caught.value.reason is Reason.NO_LICENSE


async def test_R8_repeating_an_accepted_code_registers_nothing_anew(deployment: Deployment, vendor: TestVendor) -> None:
    async with deployment.started() as coordinator:
        challenges = await challenges_of(coordinator, vendor, "a")
        challenge, _ = await challenges.create(ADMIN)
        code = vendor.code(challenge.url)
        await challenges.submit(challenge.challenge_id, code, ADMIN)
        await coordinator.submit(c.ResetRegistration())
        assert str(registration_state(await challenges.submit(challenge.challenge_id, code, ADMIN))) == "UNREGISTERED"
