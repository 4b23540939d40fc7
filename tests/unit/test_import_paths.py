"""Import paths of the user's own code, looked at without running it."""

import re

import pytest

from cisweep.config.import_paths import check_import, module_file
from cisweep.errors import ConfigError

KEY = "steps.attribute.references"
RAN = "raise SystemExit('it was run')\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder on Python's path; the function writes a module and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str, name: str = "own") -> str:
        module = f"{name}_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{module}.py").write_text(text)
        return module

    return write


@pytest.mark.parametrize(
    "text",
    [
        "def draw(tokens, seeds): ...",
        "async def draw(): ...",
        "class draw: ...",
        "draw = 3",
        "draw: int = 3",
        "try:\n    from fast import draw\nexcept ImportError:\n    from slow import draw",
        "import own.draw as draw",
        "for draw in []: ...",
        "if True:\n    def draw(): ...",
        "from elsewhere import *",
        "def __getattr__(name): ...",
        "globals()['draw'] = 3",
    ],
)
def test_a_name_that_a_module_may_have_is_taken(package, text):
    check_import(f"{package(text + chr(10) + RAN)}:draw", KEY)


def test_what_leads_nowhere_is_told_without_running_it(package):
    module = package("def drew(): ...\nfrom numpy import array\n" + RAN)
    file = module_file(f"{module}:draw")
    with pytest.raises(ConfigError) as caught:
        check_import(f"{module}:draw", KEY)
    assert str(caught.value) == (
        f"{KEY}: '{module}:draw' cannot be imported: {file} has no 'draw'. Mend: name what it "
        "defines: array, drew"
    )
    with pytest.raises(ConfigError, match=re.escape("it defines nothing")):
        check_import(f"{package(RAN)}:draw", KEY)


def test_a_text_that_is_no_python_is_told(package):
    with pytest.raises(ConfigError, match=r"cannot be read as Python \(.*line 1"):
        check_import(f"{package('def draw(:')}:draw", KEY)


@pytest.mark.parametrize("path", ["nowhere:x", "nowhere.at.all:x", "cisweep.nowhere:x", "re.x:y"])
def test_a_module_that_is_not_there_is_told(path):
    name = path.split(":")[0]
    with pytest.raises(ConfigError, match=f"there is no module '{name}'.*PYTHONPATH"):
        check_import(path, KEY)


def test_modules_without_a_text_and_packages_are_taken(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_package" / "inner").mkdir(parents=True)
    (tmp_path / "own_package" / "__init__.py").write_text(RAN)
    (tmp_path / "own_package" / "inner" / "nets.py").write_text("class Net: ...\n")
    check_import("own_package.inner.nets:Net", KEY)
    check_import("math:sqrt", KEY)
    assert module_file("own_package.inner.nets:Net") == tmp_path / "own_package/inner/nets.py"
    assert module_file("nowhere:x") is None
