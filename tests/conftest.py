"""What all tests share: the checkout, the folder of real data, and which tests are heavy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serving

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test on real data is a heavy test; one marker is enough."""
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(pytest.mark.heavy)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside (or in) the checkout, with real teachers and data; skips where there is none."""
    for place in (CHECKOUT.parent / "shared", CHECKOUT / "shared"):
        if place.is_dir():
            return place
    pytest.skip("no folder `shared` beside the checkout")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small task in GLUE layout (`tiny.py`)."""
    import tiny

    return tiny.write_data(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session")
def tiny_teacher(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny teacher that was trained on `tiny_data`; about three seconds, once."""
    import tiny

    return tiny.write_teacher(tmp_path_factory.mktemp("tiny") / "teacher", tiny_data)


@pytest.fixture
def fake_target(tmp_path: Path) -> Path:
    """A profile for `--target FILE.yaml` whose device is the fake one."""
    import tiny

    return tiny.write_profile(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in of the hub, asked by this process; an answer may take as long as the machine needs."""
    from huggingface_hub import constants, file_download

    from compressor.hub import remote

    with serving(Hub()) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        template = running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):  # the client of transformers 4 has a copy in the second
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(remote, "ANSWER_SECONDS", 30.0)
        yield running
