"""Build of the C kernels, and of what the wheel carries beside the package: the workflow itself."""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SOURCES = sorted(str(p) for p in Path("workflow/src/cisweep/_csrc").glob("*.c"))
WORKFLOW = ["Snakefile", "config", "envs", "profiles", "scripts", "workflow/Snakefile"]
WORKFLOW += [f"workflow/{name}" for name in ("report", "resources", "rules", "schemas")]
"""What a run needs beside the package; MANIFEST.in has the same for the sdist."""


class WithWorkflow(build_py):
    """Copies the workflow into the package as `_workflow`, in the folders of the repository."""

    def run(self):
        """Build the package, then copy."""
        super().run()
        # An editable installation runs the workflow of its clone.
        if not self.editable_mode:
            for source, target in self._copies():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode=True):
        """Return the files that were built."""
        mine = [] if self.editable_mode else [target for _, target in self._copies()]
        return [*super().get_outputs(include_bytecode), *mine]

    def _copies(self):
        for name in map(Path, WORKFLOW):
            for path in [name] if name.is_file() else sorted(name.rglob("*")):
                if path.is_file() and not {"__pycache__", ".snakemake"} & set(path.parts):
                    yield str(path), str(Path(self.build_lib, "cisweep", "_workflow", path))


setup(
    cmdclass={"build_py": WithWorkflow},
    ext_modules=[
        Extension(
            "cisweep._ckernels",
            sources=SOURCES,
            depends=sorted(str(p) for p in Path("workflow/src/cisweep/_csrc").glob("*.h")),
            extra_compile_args=["-O3", "-std=c11", "-fno-math-errno", "-Wall", "-Wextra"],
            libraries=["m"],
        )
    ],
)
