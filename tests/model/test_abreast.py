"""Work in a few threads gives what it gives one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.abreast import each, for_each, halves


@given(st.lists(st.integers()))
def test_results_come_in_order(tasks):
    """Each task is done once, and results have the order of the tasks."""
    assert each(str, tasks) == [str(task) for task in tasks]
    done: list[int] = []
    for_each(done.append, iter(tasks))
    assert sorted(done) == sorted(tasks)


def test_errors_come_through():
    """What goes wrong in a thread goes wrong for the caller."""
    with pytest.raises(ZeroDivisionError):
        for_each(lambda task: 1 // task, [3, 2, 1, 0])


@given(st.integers(0, 100), st.integers(1, 9))
def test_halves_cover_all_rows(rows, period):
    """Every row is in one half, and the second begins where the pattern does."""
    first, second = halves(rows, period)
    assert [*range(rows)[first], *range(rows)[second]] == [*range(rows)]
    assert second.start % period == 0
