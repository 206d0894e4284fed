"""Fixtures: `old` and `new` applications, a `proxy` in front, `start` for all else.

After each test every proxy that still runs must be unharmed, must end cleanly, and must not have
made a sanitizer speak.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True

from cutover import Origin, Proxy  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "perf: measures load, timing or memory of the release build")


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "failed_in_" + call.when, outcome.get_result().failed)


@pytest.fixture
def start(request):
    """start(Class, *args, **kwargs): made for this test, checked and stopped after it."""
    made = []

    def make(what, *args, **kwargs):
        thing = what(*args, **kwargs)
        made.append(thing)
        return thing

    yield make
    proxies = [thing for thing in made if isinstance(thing, Proxy)]
    problems = []
    for proxy in proxies:
        problems += finish(proxy)
    for thing in made:
        if not isinstance(thing, Proxy):
            thing.stop()
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def finish(proxy):
    """Ends a proxy; what was wrong with it."""
    problems = []
    if proxy.process.child.returncode is None and proxy.base_fds is not None:
        try:
            proxy.check_unharmed()
        except AssertionError as error:
            problems.append(f"after the test: {error}")
        code = proxy.process.end()
        if code != 0:
            problems.append(f"after the test the proxy ended with {code}:\n{proxy.output()}")
    report = proxy.reports_text()
    if report:
        problems.append(report)
    proxy.clean()
    return problems


@pytest.fixture
def old(start):
    return start(Origin, "old")


@pytest.fixture
def new(start):
    return start(Origin, "new")


@pytest.fixture
def proxy(start, old, new):
    return start(Proxy, old, new)
