"""Names that Dask's client has and ours lacks, with reasons, for `AttributeError` and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

_WORKERS = "the number of workers is fixed when they start; `restart` replaces all of them"
_ONE_MACHINE = "all workers are on this machine, and values go to whoever needs them"
_NO_SCHEDULER = "the scheduler is part of the engine, and no process or object of Python's"
_NO_SERVER = "nothing listens: clients and workers share a process, or a pair of sockets without a name"
_NO_LOGS = "workers keep no logs; `forward_logging` has what they log and print arrive here"
_NO_HISTORY = "tasks leave no history; `get_task_stream` records them from its first call on"
_INSTALL = "workers run this program's interpreter, with its packages"

#: Attributes of Dask's client.
CLIENT: Mapping[str, str] = {
    "amm": _ONE_MACHINE,
    "benchmark_hardware": "there is no network between workers to be measured",
    "call_stack": "`profile` samples the stacks of tasks; `py-spy dump` shows those of any process",
    "direct_to_workers": _ONE_MACHINE,
    "dump_cluster_state": _NO_SCHEDULER,
    "get_scheduler_logs": _NO_LOGS,
    "get_worker_logs": _NO_LOGS,
    "has_what": "it is not known which worker process has which value",
    "rebalance": _ONE_MACHINE,
    "refcount": "futures are counted by the engine, which does not publish the counts",
    "register_scheduler_plugin": _NO_SCHEDULER,
    "replicate": _ONE_MACHINE,
    "restart_workers": _WORKERS,
    "retire_workers": _WORKERS,
    "run_on_scheduler": _NO_SCHEDULER,
    "scheduler": _NO_SCHEDULER,
    "scheduler_comm": _NO_SERVER,
    "start": "a client has started when it has been made",
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
    "workers": "workers are no objects of Python's; `Client.scheduler_info` tells of them",
}

#: Names of the package ``dask.distributed``.
PACKAGE: Mapping[str, str] = {
    "Adaptive": _WORKERS,
    "BaseActorFuture": "`ActorFuture` is the only kind of it",
    "CompatibleExecutor": "`Client.get_executor` returns an executor of `concurrent.futures`",
    "CondaInstall": _INSTALL,
    "Environ": "worker processes have the environment of this one; `Client(initializer=…)` can change it",
    "InstallPlugin": _INSTALL,
    "Nanny": "worker processes are watched by the engine",
    "NannyPlugin": "worker processes are watched by the engine",
    "PipInstall": _INSTALL,
    "Reschedule": "tasks do not choose their workers; `retries` tries one again",
    "SSHCluster": "workers are on this machine; `Client(address)` is one of a cluster of Dask's",
    "Scheduler": _NO_SCHEDULER,
    "SchedulerPlugin": _NO_SCHEDULER,
    "Security": _NO_SERVER,
    "SpecCluster": _WORKERS,
    "Status": "the states of clients and clusters are text",
    "SubprocessCluster": "`LocalCluster(processes=True)` is one",
    "UploadDirectory": "workers import from where this process does; `Client.upload_file` takes files and archives",
    "UploadFile": "`Client.upload_file` does it",
    "Worker": "workers are no objects of Python's; `get_worker` returns what a task may know of its own",
    "config": "`dask.config` has Dask's own; nothing here depends on it",
    "connect": _NO_SERVER,
    "get_task_metadata": _NO_HISTORY,
    "rpc": _NO_SERVER,
    "sync": "`Client.sync` does it",
    "span": "tasks are in no groups; `dask.annotate` is honoured for their options",
}


def missing(owner: str, name: str, reasons: Mapping[str, str], names: Callable[[], Iterable[str]]) -> AttributeError:
    """Return the error for an unknown name: with the reason, or with the nearest name.

    Examples
    --------
    >>> from thalweg.tasks.client import absent
    >>> print(absent.missing("'Client' object", "replicate", absent.CLIENT, list))
    'Client' object has no attribute 'replicate': all workers are on this machine, and values go to whoever needs them
    >>> print(absent.missing("'Client' object", "submitt", absent.CLIENT, lambda: ["submit"]))
    'Client' object has no attribute 'submitt'; did you mean 'submit'?
    """
    reason = reasons.get(name)
    if reason is not None:
        return AttributeError(f"{owner} has no attribute {name!r}: {reason}")
    from thalweg.errors.missing_names import Missing

    return Missing(name, owner, names)
