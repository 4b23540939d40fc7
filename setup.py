"""Build of the C kernels; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

SOURCES = sorted(str(p) for p in Path("workflow/src/cisweep/_csrc").glob("*.c"))

setup(
    ext_modules=[
        Extension(
            "cisweep._ckernels",
            sources=SOURCES,
            depends=sorted(str(p) for p in Path("workflow/src/cisweep/_csrc").glob("*.h")),
            extra_compile_args=["-O3", "-std=c11", "-fno-math-errno", "-Wall", "-Wextra"],
            libraries=["m"],
        )
    ]
)
