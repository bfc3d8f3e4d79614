"""Assertions of the shared modules tell what they saw."""

import pytest

pytest.register_assert_rewrite("tests.crash.roundtrip", "tests.flows.world")
