"""Errands: all are done once, whoever dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap import errands
from defectmap.errands import Errand, carry_out

DEADLY = {7, 23}


@dataclass
class Promised:
    """A result that comes when its worker gets to it."""

    worker: str
    value: Any
    needs: tuple[str, ...]
    status: str = "pending"

    def result(self) -> Any:
        """Fetch it."""
        if self.status != "finished":
            raise CancelledError
        return self.value

    def exception(self) -> BaseException | None:
        """Tell what went wrong."""
        return self.value if self.status == "error" else None

    def cancel(self) -> None:
        """Forget it."""
        self.status = "cancelled"


@dataclass
class Village:
    """Workers that do one thing whenever somebody looks, and die of some items, or by lot."""

    lots: list[int]
    adds: bool
    names: list[str] = field(default_factory=lambda: ["a1", "b1", "c1"])
    given: list[Promised] = field(default_factory=list)
    added: int = 0
    crowd: int = 0

    def present(self) -> Sequence[str]:
        """Count heads."""
        return list(self.names)

    def do(self, worker: str, errand: Errand) -> Promised:
        """Promise an errand."""
        self.given.append(Promised(worker, [*errand.items], (worker,)))
        self.crowd = max(self.crowd, sum(p.worker == worker and p.status == "pending" for p in self.given))
        return self.given[-1]

    def add(self, worker: str, first: Promised, second: Promised) -> Promised:
        """Promise a sum."""
        self.added += 1
        self.given.append(Promised(worker, first.value + second.value, (first.worker, second.worker)))
        return self.given[-1]

    def give_up(self, item: int) -> list[str]:
        """Name what kills."""
        return [f"{item} kills"]

    def has_died(self, error: BaseException | None) -> bool:
        """Take what was cancelled for a death."""
        return isinstance(error, CancelledError)

    def watch(self) -> None:
        """Let time pass."""
        lot = self.lots.pop() if self.lots else None
        if lot is not None and lot < len(self.names):
            self.die(self.names[lot])
        for name in list(self.names):
            work = next((p for p in self.given if p.worker == name and p.status == "pending"), None)
            if work is None or not set(work.needs) <= set(self.names):
                continue
            if DEADLY & set(work.value):
                self.die(name)
            else:
                work.status = "finished"

    def die(self, name: str) -> None:
        """Replace a worker."""
        self.names[self.names.index(name)] = f"{name[0]}{int(name[1:]) + 1}"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait."""
    monkeypatch.setattr(errands, "_BLINK_S", 0.0)


def cut(count: int, share: int) -> list[Errand]:
    """Return errands of two groups, so many items each."""
    items = list(range(count))
    return [
        Errand(sorted, items[start : start + share], start // share % 2) for start in range(0, count, share)
    ]


@given(lots=st.lists(st.integers(0, 20), max_size=60), share=st.integers(1, 9), adds=st.booleans())
def test_whoever_dies_every_item_is_done_once(lots, share, adds):
    """Whenever workers die, every item is in one result, and those that kill are given up by name."""
    village = Village(lots, adds)
    found = Counter(one for result in carry_out(cut(40, share), village) for one in result)
    killed = {item for item in range(40) if found[f"{item} kills"]}
    # Where workers die by lot as well, a bystander may be taken for the reason if it is alone twice.
    assert killed >= DEADLY
    assert sum(found.values()) == 40
    assert all(found[item] == 1 for item in range(40) if item not in killed)
    assert village.crowd <= 2


def test_only_what_kills_is_given_up():
    """Without other deaths no item is given up but those of which workers die."""
    found = [one for result in carry_out(cut(40, 8), Village([], adds=True)) for one in result]
    assert sorted(map(str, found)) == sorted(
        f"{item} kills" if item in DEADLY else str(item) for item in range(40)
    )


def test_sums_are_added_before_they_are_fetched(monkeypatch: pytest.MonkeyPatch):
    """One result comes of each group, unless it is of so many items that it is to be committed."""
    monkeypatch.setattr("tests.test_errands.DEADLY", set())
    assert len(list(carry_out(cut(40, 2), Village([], adds=True)))) == 2
    monkeypatch.setattr(errands, "SHEAF_FRAMES", 8)
    results = list(carry_out(cut(40, 2), Village([], adds=True)))
    assert 3 <= len(results) <= 6
    assert sorted(one for result in results for one in result) == list(range(40))
    assert len(list(carry_out(cut(40, 2), Village([], adds=False)))) == 20


def test_what_a_worker_says_is_heard():
    """An error that is no death ends the errands."""

    class Refusing(Village):
        def watch(self) -> None:
            """Refuse all."""
            for promised in self.given:
                promised.status, promised.value = "error", MemoryError("too much")

    with pytest.raises(MemoryError, match="too much"):
        list(carry_out(cut(10, 2), Refusing([], adds=True)))
