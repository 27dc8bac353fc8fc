"""What importing costs and what the package exports. That the stubs say what the module has is ctest's python.stubs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sizer

#: Modules that a plain `import sizer` must not bring in: they take longer to load than sizer itself.
HEAVY = "numpy matplotlib rich pandas IPython argparse asyncio http urllib.request multiprocessing logging".split()


def _python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_is_light() -> None:
    loaded = _python("import sys; before = set(sys.modules); import sizer; print(*sorted(set(sys.modules) - before))")
    modules = set(loaded.split())
    assert not modules & set(HEAVY)
    # A count instead of a time: the machine that runs the tests may be busy. 42 modules load in 20 ms on a laptop.
    assert len(modules) < 120, sorted(modules)


def test_an_estimate_needs_no_numpy() -> None:
    call = "sizer.estimate(model='llama-3.1-8b', hardware='dgx-spark')"
    code = f"import sys, sizer; str({call}); print('numpy' in sys.modules)"
    assert _python(code).strip() == "False"


def test_everything_exported_exists_and_is_described() -> None:
    for name in sizer.__all__:
        if name in ("sweep", "Sweep"):
            pytest.importorskip("numpy")
        value = getattr(sizer, name)
        assert name.startswith("__") or value.__doc__, name
    assert set(dir(sizer)) == set(sizer.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        sizer.nothing_like_it  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    folder = Path(sizer.__file__).parent
    assert (folder / "py.typed").exists()
    assert (folder / "_core.pyi").exists()
