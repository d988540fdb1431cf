import os

import pytest

from net import Switch


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


@pytest.fixture
def switch():
    with Switch() as s:
        yield s
