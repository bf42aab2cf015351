"""Names that Dask's client has and ours lacks, with reasons, for `AttributeError` and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

_WORKERS = "the number of workers is fixed when they start; `restart` replaces all of them"
_ONE_MACHINE = "all workers are on this machine, and values go where they are needed"
_NO_SCHEDULER = "the scheduler is part of the engine, not a process or a Python object"
_NO_SERVER = "there is no server: clients and workers share a process or a pair of sockets"
_NO_LOGS = "workers keep no logs; `forward_logging` forwards their log records and output"
_NO_HISTORY = "the history of tasks is not kept; `get_task_stream` records it from its first call on"
_INSTALL = "workers run this program's interpreter, with its packages"

#: Attributes of Dask's client.
CLIENT: Mapping[str, str] = {
    "amm": _ONE_MACHINE,
    "benchmark_hardware": "there is no network between workers",
    "call_stack": "`profile` samples the stacks of tasks; `py-spy dump` shows the stacks of a process",
    "direct_to_workers": _ONE_MACHINE,
    "dump_cluster_state": _NO_SCHEDULER,
    "get_scheduler_logs": _NO_LOGS,
    "get_worker_logs": _NO_LOGS,
    "has_what": "the engine does not publish which worker process has which value",
    "rebalance": _ONE_MACHINE,
    "refcount": "the engine counts futures, but does not publish the counts",
    "register_scheduler_plugin": _NO_SCHEDULER,
    "replicate": _ONE_MACHINE,
    "restart_workers": _WORKERS,
    "retire_workers": _WORKERS,
    "run_on_scheduler": _NO_SCHEDULER,
    "scheduler": _NO_SCHEDULER,
    "scheduler_comm": _NO_SERVER,
    "start": "clients start when they are created",
    "story": _NO_HISTORY,
    "unregister_scheduler_plugin": _NO_SCHEDULER,
    "write_scheduler_file": _NO_SERVER,
}

#: Attributes of Dask's local cluster.
CLUSTER: Mapping[str, str] = {
    "adapt": _WORKERS,
    "get_logs": _NO_LOGS,
    "scale": _WORKERS,
    "scale_down": _WORKERS,
    "scale_up": _WORKERS,
    "scheduler": _NO_SCHEDULER,
    "workers": "workers are not Python objects; `Client.scheduler_info` describes them",
}

#: Names of the package ``dask.distributed``.
PACKAGE: Mapping[str, str] = {
    "Adaptive": _WORKERS,
    "BaseActorFuture": "`ActorFuture` is the only class of such futures",
    "CompatibleExecutor": "`Client.get_executor` returns an executor of `concurrent.futures`",
    "CondaInstall": _INSTALL,
    "Environ": "worker processes inherit this environment; `Client(initializer=…)` can change it",
    "InstallPlugin": _INSTALL,
    "Nanny": "the engine watches worker processes",
    "NannyPlugin": "the engine watches worker processes",
    "PipInstall": _INSTALL,
    "Reschedule": "tasks do not choose their workers; `retries` runs a failed task again",
    "SSHCluster": "workers are on this machine; `Client(address)` connects to a Dask cluster",
    "Scheduler": _NO_SCHEDULER,
    "SchedulerPlugin": _NO_SCHEDULER,
    "Security": _NO_SERVER,
    "SpecCluster": _WORKERS,
    "Status": "the states of clients and clusters are text",
    "SubprocessCluster": "use `LocalCluster(processes=True)`",
    "UploadDirectory": "workers import from the same paths; `Client.upload_file` takes files and archives",
    "UploadFile": "use `Client.upload_file`",
    "Worker": "workers are not Python objects; `get_worker` describes a task's own worker",
    "config": "nothing here depends on Dask's configuration, which is `dask.config`",
    "connect": _NO_SERVER,
    "get_task_metadata": _NO_HISTORY,
    "rpc": _NO_SERVER,
    "sync": "use `Client.sync`",
    "span": "tasks have no groups; their options of `dask.annotate` are used",
}


def missing(owner: str, name: str, reasons: Mapping[str, str], names: Callable[[], Iterable[str]]) -> AttributeError:
    """Return the error for an unknown name: with the reason, or with the nearest name.

    Examples
    --------
    >>> from thalweg.tasks.client import absent
    >>> print(absent.missing("'Client' object", "replicate", absent.CLIENT, list))
    'Client' object has no attribute 'replicate': all workers are on this machine, and values go where they are needed
    >>> print(absent.missing("'Client' object", "submitt", absent.CLIENT, lambda: ["submit"]))
    'Client' object has no attribute 'submitt'; did you mean 'submit'?
    """
    reason = reasons.get(name)
    if reason is not None:
        return AttributeError(f"{owner} has no attribute {name!r}: {reason}")
    from thalweg.errors.missing_names import Missing

    return Missing(name, owner, names)
