"""Every name that a package exports is there, and a name that cannot be had says why."""

import importlib
import pkgutil
import subprocess
import sys
import types

import pytest

import cisweep
from cisweep.errors import ModelError
from cisweep.lazy import from_path

PACKAGES = [
    name
    for _, name, is_package in pkgutil.walk_packages(cisweep.__path__, "cisweep.")
    if is_package and hasattr(importlib.import_module(name), "_MODULE_OF")
]


def test_the_packages_with_a_table_are_found():
    rooms = {f"cisweep.{room}" for room in ("sequence", "genome", "models", "analysis", "train")}
    assert rooms | {"cisweep.plot"} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_is_there(name):
    package = importlib.import_module(name)
    modules = {path.rpartition(".")[2] for path in getattr(package, "_MODULES", ())}
    for public, module in package._MODULE_OF.items():
        found = getattr(package, public)
        assert not isinstance(found, types.ModuleType), f"{name}.{public} is hidden by a module"
        assert found is getattr(importlib.import_module(f"{name}.{module}"), public)
    for public in modules:
        assert isinstance(getattr(package, public), types.ModuleType)
    assert set(package.__all__) == {*package._MODULE_OF, *modules} == set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_all_names_of_a_package_can_be_imported_at_once(name):
    # In a process of its own, where no module that another test has imported hides a name.
    code = f"from {name} import *; import {name} as p; assert set(p.__all__) <= set(globals())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Put a package with a lazy table on the path: one module lacks its name, one breaks."""
    package = tmp_path / "broken_room"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from cisweep.lazy import exports\n"
        "table = {'absent': 'fine', 'present': 'fine', 'first': 'breaks', 'second': 'lacks'}\n"
        "__getattr__, __dir__, __all__ = exports(__name__, table)\n"
    )
    (package / "fine.py").write_text("present = 1\n")
    (package / "breaks.py").write_text("first = print.of_a_newer_release\n")
    (package / "lacks.py").write_text("import a_package_that_is_absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for module in [m for m in sys.modules if m.startswith("broken_room")]:
        del sys.modules[module]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent", "broken_room.fine does not provide 'absent': .*has no attribute 'absent'"),
        ("first", "broken_room.breaks does not provide 'first': .*'of_a_newer_release'"),
        ("second", "a_package_that_is_absent"),
    ],
)
def test_the_true_cause_is_shown(broken, name, why):
    with pytest.raises(ImportError, match=why) as caught:
        exec(f"from broken_room import {name}")
    assert name == "second" or isinstance(caught.value.__cause__, AttributeError)


def test_an_unknown_name_is_an_attribute_error(broken):
    package = importlib.import_module("broken_room")
    assert package.present == 1
    with pytest.raises(AttributeError, match="module 'broken_room' has no attribute 'other'"):
        _ = package.other
    assert not hasattr(package, "other")


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("fine:absent", "AttributeError: .*has no attribute 'absent'"),
        ("lacks:x", "ModuleNotFoundError: No module named 'a_package_that_is_absent'"),
        ("wrong:x", "ZeroDivisionError"),
    ],
)
def test_a_users_module_that_fails_says_why(broken, module, why):
    (broken / "wrong.py").write_text("x = 1 / 0\n")
    with pytest.raises(ModelError, match=f"(?s)cannot be imported \\({why}.*PYTHONPATH") as caught:
        from_path(f"broken_room.{module}", ModelError, "module")
    assert caught.value.__cause__ is not None
