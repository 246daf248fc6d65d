"""Running the tasks of a set: in this process, in several ones, or by Ray."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ptycho_torch.errors import note_when_stopped
from ptycho_torch.scan_set.plan import Task
from ptycho_torch.scan_set.work import ScanRow, Worker, failure_row
from ptycho_torch.sweep.run import check_ray, ray_cluster, threads_per_trial

Report = Callable[[ScanRow], object]
ENDED = "its process was ended from outside, perhaps because the memory was full: give fewer --jobs"
_KEPT = "finished scans are kept: the same command goes on from there"


@cache
def _worker(model: Path, threads: int, again: bool) -> Worker:  # noqa: FBT001 - a key of the cache
    """The one worker of this process."""
    return Worker(model, threads, again=again)


def _do(task: Task, threads: int, again: bool) -> ScanRow:  # noqa: FBT001 - as above
    return _worker(task.model, threads, again).do(task)


def run_local(tasks: Sequence[Task], jobs: int, report: Report, *, again: bool = False) -> list[ScanRow]:
    """Reconstruct the scans of tasks; returns their rows in the same order.

    jobs: processes, which share the processor's threads; with one, this process does it. report: called with each row
    as it is done; again: also what is finished. Raises OutputError where there is no room.
    """
    with note_when_stopped(lambda: _KEPT):
        done = _here(tasks, again=again) if jobs == 1 else _in_processes(tasks, jobs, again=again)
        return _collect(tasks, done, report)


def _here(tasks: Sequence[Task], *, again: bool) -> Iterator[tuple[Task, ScanRow]]:
    worker = Worker(tasks[0].model, threads_per_trial(1), again=again)
    for task in tasks:
        yield task, worker.do(task)


def _in_processes(tasks: Sequence[Task], jobs: int, *, again: bool) -> Iterator[tuple[Task, ScanRow]]:
    """The rows of all tasks but those whose process was ended, such as for want of memory.

    That breaks the whole pool: what was being done is then tried one by one, and the rest by new processes.
    """
    threads = threads_per_trial(jobs)
    waiting, alone = list(tasks), list[Task]()
    while waiting or alone:
        batch, size = (alone[:1], 1) if alone else (waiting, jobs)
        done = set[Path]()
        try:
            for task, row in _pool(batch, size, threads, again=again):
                done.add(task.folder)
                yield task, row
            broken = False
        except BrokenProcessPool:
            broken = True
        left = [task for task in batch if task.folder not in done]
        if alone:
            alone = alone[1:]
        else:
            alone, waiting = (left[:jobs], left[jobs:]) if broken else ([], [])


def _pool(tasks: Sequence[Task], jobs: int, threads: int, *, again: bool) -> Iterator[tuple[Task, ScanRow]]:
    fresh, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(jobs, len(tasks)), fresh) as pool:
        running = {pool.submit(_do, task, threads, again): task for task in tasks}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # The pool would wait for the scans that they have begun.
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def run_ray(tasks: Sequence[Task], threads: int, report: Report, *, again: bool = False) -> list[ScanRow]:
    """Reconstruct the scans of tasks on the Ray cluster that this machine belongs to, or on one that is started here;
    returns their rows in the same order.

    threads: processors of each worker, of which there are as many as the cluster has room for. report, again: as for
    `run_local`. All machines see the same files. Raises ConfigError where Ray is not installed.
    """
    check_ray()
    import ray
    from ray.util import ActorPool

    with note_when_stopped(lambda: _KEPT), ray_cluster(_KEPT):
        room = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        # A worker that is ended, such as for want of memory, is started again, without its scan.
        actor = ray.remote(num_cpus=threads, max_restarts=-1)(Worker)
        pool = ActorPool([actor.remote(tasks[0].model, threads, again=again) for _ in range(min(room, len(tasks)))])
        by_folder = {task.folder: task for task in tasks}
        for task in tasks:
            pool.submit(lambda one, task: one.do.remote(task), task)
        return _collect(tasks, ((by_folder[row.folder], row) for row in _ray_rows(pool)), report)


def _ray_rows(pool: Any) -> Iterator[ScanRow]:
    """The rows that a pool of actors gives, but for those whose actor was ended."""
    from ray.exceptions import RayActorError

    while pool.has_next():
        with suppress(RayActorError):
            yield pool.get_next_unordered()


def _collect(tasks: Sequence[Task], done: Iterator[tuple[Task, ScanRow]], report: Report) -> list[ScanRow]:
    rows: dict[Path, ScanRow] = {}
    for task, row in done:
        rows[task.folder] = row
        report(row)
    for task in tasks:
        if task.folder not in rows:
            rows[task.folder] = failure_row(task, ENDED, seconds=0.0)
            report(rows[task.folder])
    return [rows[task.folder] for task in tasks]
