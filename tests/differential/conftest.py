import pytest

import daemon
from ovs import Ovs


@pytest.fixture(scope="module")
def ovs():
    with Ovs() as o:
        yield o


@pytest.fixture(scope="module")
def sluice():
    with daemon.Sluice() as s:
        yield s
