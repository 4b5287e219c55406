"""What a machine lacks is said once, with its package; a test that needs it is skipped, and fails in CI.

Writes nothing.
"""

from __future__ import annotations

import capabilities
import pytest
from capabilities import CAPABILITIES, Capability


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of something that no machine has."""
    monkeypatch.setitem(CAPABILITIES, "unicorn", Capability("Unicorn", "apt-get install unicorn", lambda: False))
    return "unicorn"


def test_a_test_without_what_it_needs_is_skipped_and_fails_in_ci(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"Unicorn is not here \(apt-get install unicorn\)"):
        capabilities.needed(absent)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Unicorn is not here"):
        capabilities.needed(absent)


def test_the_end_of_a_run_says_once_what_was_missing(absent: str) -> None:
    reason = "Skipped: needs unicorn: Unicorn is not here (apt-get install unicorn)"
    told = capabilities.summary([reason, "Skipped: another reason", reason, "needs sleep: not a capability"])
    assert told == ["Unicorn: 2 tests not run. apt-get install unicorn"]


def test_what_tests_may_need_is_what_ci_installs() -> None:
    script = (capabilities.CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    packages = [
        package
        for capability in CAPABILITIES.values()
        if capability.remedy.startswith("apt-get install ")
        for package in capability.remedy.removeprefix("apt-get install ").split()
    ]
    assert len(packages) > 10
    assert [package for package in packages if package not in script] == []
