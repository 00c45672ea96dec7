"""How worker processes start."""

from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext


def worker_context(module: str) -> BaseContext:
    """Return a context whose processes are copies of one that has loaded `module` and has computed nothing.

    A new process would load torch again, which takes seconds. A copy of this process could wait for ever for torch's
    threads, which do not exist in the copy.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([module])
    return context
