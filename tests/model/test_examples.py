"""The examples of the model's docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from defectmap import model

MODULES = [module.name for module in pkgutil.iter_modules(model.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str) -> None:
    """Every example prints what its docstring says."""
    assert doctest.testmod(importlib.import_module(f"defectmap.model.{name}")).failed == 0
