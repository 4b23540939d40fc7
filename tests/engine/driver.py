"""Snakemake with the interval between two looks at a cluster's jobs pinned to one second."""

import asyncio
import signal

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors import remote


async def _sleep(self) -> None:
    await asyncio.sleep(1)


if __name__ == "__main__":
    remote.RemoteExecutor.sleep = _sleep
    # A shell without job control starts what is behind `&` with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
