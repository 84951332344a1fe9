"""The rules of registration, seats and codes once more, with plain dicts and lists: slow, obvious, and written apart
from the core, so that the two can be compared after every command.
"""

from typing import Any

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


class Naive:
    """What a state should look like. Commands are methods; `served`, `run` and `wall` are set by the test."""

    def __init__(self) -> None:
        self.served = self.run = self.wall = self.granting_from = 0
        self.starts = 0
        self.license: dict[str, Any] | None = None
        self.expired = False
        self.newest: dict[str, int] = {}
        self.registration: dict[str, Any] | None = None
        self.sessions: dict[str, dict[str, Any]] = {}
        self.met: set[str] = set()  # those who have overlapped with the living (R17)
        self.silent_seats = 0
        self.line: list[str] = []  # those who are awaited keep their place, and are passed over
        self.wrong = self.lockouts = 0
        self.open_attempt = False
        self.locked_at: int | None = None

    # What follows from a state

    def taken(self) -> int:
        return sum(1 for s in self.sessions.values() if s["seat"] != "NONE")

    def holders(self, status: str) -> list[str]:
        return [name for name, s in self.sessions.items() if self.carries(name) and s["status"] == status]

    def carries(self, name: str) -> bool:
        return bool(name in self.sessions and self.sessions[name]["holder"] and name in self.met)

    def heard(self, name: str) -> None:
        """A sign of life."""
        if self.carries(name):
            self.met |= set(self.sessions)

    def live(self) -> list[str]:
        return [name for name, s in self.sessions.items() if s["status"] == "LIVE"]

    def open(self) -> bool:
        reg = self.registration
        return reg is not None and reg["recovering"] is None and not self.expired

    def may_have_seat(self, name: str) -> bool:
        """A seat is free, and what a former daemon may have granted is over; if silence freed it, it is not for all."""
        if self.license is None or self.served < self.granting_from:
            return False
        free = self.license["max_nodes"] - self.taken()
        return bool(free > (0 if name in self.met else self.silent_seats))

    def entitled(self) -> list[str]:
        waiting = [name for name in self.line if self.sessions[name]["status"] == "LIVE"]
        return [name for name in waiting if self.may_have_seat(name)]

    def fits(self, name: str) -> bool:
        s = self.sessions[name]
        return bool(self.license is None or (s["version"] == self.license["version"] and s["clock_ok"]))

    def locked(self) -> bool:
        if self.locked_at is None:
            return False
        span = min(15 * MINUTE * 2 ** (self.lockouts - 1), DAY)
        return bool(self.run < self.locked_at + span)

    def settle(self) -> None:
        reg = self.registration
        if reg and reg["recovering"] is not None and self.holders("LIVE"):
            reg["recovering"] = None
        while self.open() and self.entitled():
            self.seat(self.entitled()[0])
        if reg and not self.holders("LIVE"):
            if not self.holders("AWAITED") and not self.holders("LOST") and not reg["copied"]:
                self.end_registration()
            elif reg["recovering"] is None:
                reg["recovering"] = self.served

    def seat(self, name: str) -> None:
        if self.sessions[name]["seat"] == "NONE" and name in self.met:
            self.silent_seats = max(0, self.silent_seats - 1)
        self.sessions[name].update(seat="HELD", holder=True)
        if name in self.line:
            self.line.remove(name)

    def place(self, name: str, front: bool = False) -> None:
        s = self.sessions[name]
        if self.registration is None or s["status"] != "LIVE" or s["seat"] == "HELD":
            return
        assert self.license
        if self.expired or not self.fits(name):
            if name in self.line:
                self.line.remove(name)
            return
        nobody_waits = not [other for other in self.line if self.sessions[other]["status"] == "LIVE"]
        own_back = s["seat"] == "DRAINING" and self.taken() <= self.license["max_nodes"]
        free = s["seat"] == "NONE" and self.may_have_seat(name) and nobody_waits
        if self.open() and (own_back or free):
            self.seat(name)
        elif name not in self.line:
            self.line.insert(0 if front else len(self.line), name)

    def end_registration(self) -> None:
        for s in self.sessions.values():
            s["holder"] = False
            if s["seat"] == "HELD":
                s["seat"] = "DRAINING"
            if s["status"] == "LOST":
                s.update(status="ENDED", ended="EXPIRED", since=self.served)
        self.registration, self.line, self.silent_seats = None, [], 0
        self.met = set(self.sessions)

    def end(self, name: str, reason: str) -> None:
        s = self.sessions[name]
        if reason == "COPIED" and s["holder"] and self.registration:
            self.registration["copied"] = True
        keeps = reason in ("EVICTED", "COPIED") and s["seat"] != "NONE"
        forgotten = not s["holder"] and s["seat"] == "NONE" and reason in ("LEFT", "EXPIRED")
        s.update(status="ENDED", ended=reason, since=self.served, holder=False, seat="DRAINING" if keeps else "NONE")
        if name in self.line:
            self.line.remove(name)
        if forgotten:
            del self.sessions[name]
            self.met.discard(name)

    # Commands that were not refused

    def restart(self) -> None:
        self.starts += 1
        self.granting_from = self.served + (15_000 + 300 + 1 if self.starts > 1 else 0)
        for s in self.sessions.values():
            if s["status"] == "LIVE":
                s["status"] = "AWAITED"
        if self.registration:
            self.registration["recovering"] = self.served
        if self.open_attempt and self.wrong > 5:
            self.lock()
        elif self.locked_at is not None:
            self.locked_at = self.run

    def tick(self) -> None:
        if self.locked_at is not None and not self.locked():
            self.locked_at = None
        if self.license and not self.expired and self.wall >= self.license["expires"]:
            self.expired = True
            for s in self.sessions.values():
                s["seat"] = "DRAINING" if s["seat"] == "HELD" else s["seat"]
        reg = self.registration
        if not reg:
            return
        assert self.license
        recertify = self.license["recertify"]
        too_old = recertify and self.wall >= reg["at"] + recertify * DAY
        waited = reg["recovering"] is not None and self.served >= reg["recovering"] + 5 * MINUTE
        if too_old or (waited and not self.holders("AWAITED")):
            self.end_registration()

    def join(self, name: str, version: str) -> None:
        if name in self.sessions:
            self.back(name)
            return
        self.sessions[name] = {
            "status": "LIVE", "seat": "NONE", "holder": False, "version": version, "clock_ok": True,
            "since": None, "ended": None,
        }  # fmt: skip
        if self.registration is None:
            self.met.add(name)
        self.place(name)

    def back(self, name: str) -> None:
        s = self.sessions[name]
        self.heard(name)
        if s["status"] in ("AWAITED", "LOST"):
            front = s["status"] == "LOST"
            s.update(status="LIVE", since=None)
            self.place(name, front)

    def leave(self, name: str) -> None:
        s = self.sessions[name]
        self.heard(name)
        if s["status"] != "ENDED":
            self.end(name, "LEFT")
        elif s["ended"] == "EVICTED":
            s["seat"] = "NONE"

    def silent(self, name: str) -> None:
        s = self.sessions[name]
        if s["status"] not in ("LIVE", "AWAITED"):
            return
        if self.registration is None or not (s["holder"] or s["seat"] != "NONE"):
            self.end(name, "EXPIRED")
            return
        self.silent_seats += s["seat"] != "NONE"
        s.update(status="LOST", seat="NONE", since=self.served)
        if name in self.line:
            self.line.remove(name)

    def memory_over(self, name: str) -> None:
        s = self.sessions[name]
        if s["since"] is None or self.served < s["since"] + DAY:
            return
        if s["status"] == "LOST":
            self.end(name, "EXPIRED")
        elif s["status"] == "ENDED" and s["seat"] == "NONE":
            del self.sessions[name]
            self.met.discard(name)

    def drained(self, name: str, *, silent: bool) -> None:
        s = self.sessions[name]
        if s["seat"] == "DRAINING":
            s["seat"] = "NONE"
            self.silent_seats += silent

    def judge(self, name: str, ok: bool, joining: bool) -> None:
        s = self.sessions[name]
        if s["status"] == "ENDED":
            return
        if s["clock_ok"] and not ok and joining and s["seat"] == "HELD":
            s["seat"] = "DRAINING"
        s["clock_ok"] = ok
        self.place(name)

    def install(self, license: dict[str, Any]) -> None:
        if license == self.license:
            return
        kept = self.license is not None and self.license["id"] == license["id"]
        if not kept:
            self.end_registration()
        self.license, self.expired = license, False
        self.newest[license["id"]] = license["issued"]
        holders_first = sorted(self.sessions, key=lambda name: not self.sessions[name]["holder"])
        for name in holders_first:
            s = self.sessions[name]
            if s["seat"] == "HELD" and s["version"] != license["version"]:
                s["seat"] = "DRAINING"
            self.place(name)

    def release(self) -> None:
        self.end_registration()
        self.license, self.expired = None, False

    def attempt(self) -> bool:
        """True: counted; False: it locks instead, for the attempt before was never compared."""
        if self.open_attempt and self.wrong > 5:
            self.lock()
            return False
        self.wrong, self.open_attempt = self.wrong + 1, True
        return True

    def lock(self) -> None:
        self.lockouts, self.locked_at, self.open_attempt = self.lockouts + 1, self.run, False

    def settle_code(self, right: bool, current: bool) -> None:
        self.open_attempt = False
        if not right:
            if self.wrong > 5:
                self.lock()
            return
        self.wrong = self.lockouts = 0
        self.locked_at = None
        if current and not self.stands_in_the_way():
            self.register()

    def stands_in_the_way(self) -> bool:
        assert self.license
        live = self.live()
        fitting = all(self.fits(name) for name in live)
        return not (0 < len(live) <= self.license["max_nodes"] and fitting and self.wall < self.license["expires"])

    def register(self) -> None:
        assert self.license
        self.end_registration()
        self.registration = {"recovering": None, "copied": False, "at": self.wall}
        live = sorted(self.live(), key=lambda name: self.sessions[name]["seat"] == "NONE")
        theirs = sum(1 for name in live if self.sessions[name]["seat"] != "NONE")
        seats = max(0, self.license["max_nodes"] - (self.taken() - theirs))
        seats = min(seats, theirs) if self.served < self.granting_from else seats
        for name in live[:seats]:
            self.sessions[name].update(seat="HELD", holder=True)
        for name in live[seats:]:
            self.sessions[name]["holder"] = True
            self.line.append(name)
