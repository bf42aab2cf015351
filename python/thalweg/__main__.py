"""``python -m thalweg``: runs programs written for streamz or rapidz, unchanged, on thalweg."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType
from typing import NoReturn

from thalweg import __version__, install_as
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.program import NoProgramError, Program, of_module, of_script

#: Exit code that shells use for a program ended by Ctrl-C.
_INTERRUPTED = 130
#: Exit code that shells use for a program ended by SIGTERM.
_TERMINATED = 143
_USAGE_ERROR = 2

_is_draining = False


def main(arguments: list[str] | None = None) -> int:
    """Execute the command line, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    if options.command == "top":
        return _top(options)
    if options.command == "replay":
        return _replay(options)
    return _run(options)


def _top(options: argparse.Namespace) -> int:
    from thalweg.view.top import run

    try:
        return run(options.address, options.interval, options.once)
    except KeyboardInterrupt:
        return 0


def _replay(options: argparse.Namespace) -> int:
    from thalweg.replay import replay

    _end_on_sigterm()
    try:
        return replay(options.letters, options.target, options.timeout)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        options.parser.error(str(error))
        return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg", description="Pipelines over continuous streams of data.")
    parser.add_argument("--version", action="version", version=f"thalweg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a program written for streamz or rapidz, unchanged",
        description="Run a program in which `import streamz` and `import rapidz` mean thalweg. "
        "When it ends, however it ends, its pipelines are drained; SIGTERM ends it as Ctrl-C does.",
    )
    run.add_argument(
        "--as",
        dest="names",
        metavar="NAME,…",
        type=_names,
        default=["streamz", "rapidz"],
        help="the packages to stand in for (default: streamz,rapidz)",
    )
    run.add_argument(
        "--drain",
        dest="timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long the pipelines may take to drain at the end (default: 30)",
    )
    run.add_argument("--dashboard", action="store_true", help="serve a dashboard while the program runs")
    run.add_argument(
        "--dashboard-port", metavar="PORT", type=int, default=8787, help="the port of the dashboard (default: 8787)"
    )
    run.add_argument(
        "--allow-control",
        action="store_true",
        help="let those who know a token pause, resume and drain pipelines there",
    )
    run.add_argument(
        "--show-elements",
        metavar="COUNT",
        type=int,
        default=0,
        help="show the last elements of each node on its page (default: none)",
    )
    run.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        nargs=argparse.REMAINDER,
        help="a module to run as the program, with its own arguments, instead of SCRIPT",
    )
    run.add_argument("script", metavar="SCRIPT", nargs="?", help="the program's file, or - for standard input")
    run.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="the program's own arguments")
    run.set_defaults(parser=run)
    top = commands.add_parser(
        "top",
        help="show a program's dashboard in the terminal",
        description="Show what the dashboard of a program knows, again and again, until Ctrl-C.",
    )
    top.add_argument("address", metavar="ADDRESS", nargs="?", default="8787", help="port, or host:port (default: 8787)")
    top.add_argument(
        "--interval", metavar="SECONDS", type=_seconds, default=1.0, help="the time between two looks (default: 1)"
    )
    top.add_argument("--once", action="store_true", help="show it once")
    replay = commands.add_parser(
        "replay",
        help="send dead letters again",
        description="Send the elements of dead letters to a stream of a program, each once, and drain its pipeline. "
        "Elements that were only shown cannot be sent; then the exit code is 1.",
    )
    replay.add_argument(
        "--drain",
        dest="timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long the pipeline may take to drain at the end (default: 30)",
    )
    replay.add_argument(
        "letters",
        metavar="LETTERS",
        help="where they are kept: a file, the URL of a database, or kafka://host:port/topic",
    )
    replay.add_argument(
        "target", metavar="MODULE:STREAM", help="the stream, in a module that can be imported from here"
    )
    replay.set_defaults(parser=replay)
    return parser


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("expected the names of packages, such as streamz,rapidz")
    return names


def _seconds(text: str) -> float:
    try:
        return convert_interval(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, such as 2.5, and not {text!r}") from None


def _run(options: argparse.Namespace) -> int:
    try:
        install_as(*options.names)
    except (ImportError, ValueError) as error:
        options.parser.error(str(error))
    if options.module is None and options.script is None:
        options.parser.error("a SCRIPT, or -m MODULE, is required")
    if options.module == []:
        options.parser.error("argument -m: expected the name of a module")
    if (options.allow_control or options.show_elements) and not options.dashboard:
        options.parser.error("--allow-control and --show-elements are for --dashboard")
    if options.dashboard:
        _serve_dashboard(options)
    try:
        load = of_module(*options.module) if options.module else of_script(options.script, *options.arguments)
    except OSError as error:
        options.parser.error(f"can't read the program {options.script!r}: {error.strerror}")
    _end_on_sigterm()
    code = 1
    try:
        code = _execute(load)
    except NoProgramError as error:
        options.parser.error(str(error))
    finally:
        code = _drain(options.timeout, _await_threads(code))
    return code


def _serve_dashboard(options: argparse.Namespace) -> None:
    from thalweg.view.dashboard import dashboard

    try:
        served = dashboard(
            options.dashboard_port, allow_control=options.allow_control, show_elements=options.show_elements
        )
    except (OSError, ValueError) as error:
        options.parser.error(str(error))
    print(f"dashboard: {served.control_link or served.link}", file=sys.stderr)  # noqa: T201


def _end_on_sigterm() -> None:
    """Have SIGTERM end the program as `sys.exit` does, unless the program handles it, or is told to ignore it."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, _terminate)
    if not hasattr(os, "register_at_fork"):
        return

    # A signal that comes between the fork and `die_of_sigterm` would be lost. It waits.
    masks = threading.local()

    def hold_sigterm() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def let_sigterm_through() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def die_of_sigterm() -> None:
        # As without thalweg: the parent drains the pipelines.
        if signal.getsignal(signal.SIGTERM) is _terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        let_sigterm_through()

    os.register_at_fork(before=hold_sigterm, after_in_parent=let_sigterm_through, after_in_child=die_of_sigterm)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    if _is_draining:
        raise KeyboardInterrupt
    raise SystemExit(_TERMINATED)


def _execute(load: Callable[[], Program]) -> int:
    """Run the program as ``__main__`` and return its exit code, after reporting an uncaught exception."""
    try:
        try:
            code, module = load()
        except (SyntaxError, ValueError) as error:
            # Frames of this package would say nothing about the program.
            _report(error.with_traceback(None))
            return 1
        _call(code, module)
    except NoProgramError:
        raise
    except SystemExit as error:
        return _exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    except BaseException as error:
        _report(_without_our_frames(error))
        return 1
    return 0


def _call(code: CodeType, module: ModuleType) -> None:
    exec(code, module.__dict__)


def _without_our_frames(error: BaseException) -> BaseException:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    return error.with_traceback(frames)


def _report(error: BaseException) -> None:
    """Show an uncaught exception in the way that the program has set up."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception:
        traceback.print_exception(type(error), error, error.__traceback__)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)  # noqa: T201
    return 1


def _await_threads(code: int) -> int:
    """Wait for the threads and executors of the program, as the interpreter does; return the exit code."""
    if code in (_INTERRUPTED, _TERMINATED):
        return code
    try:
        # The interpreter will call it again, and find it done.
        threading._shutdown()  # type: ignore[attr-defined]
    except SystemExit as error:
        return _exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    return code


def _drain(timeout: float, code: int) -> int:
    """Drain all pipelines, and return the resulting exit code."""
    import thalweg
    from thalweg.runtime import program_end

    global _is_draining
    _is_draining = True
    program_end.note_ending()
    try:
        try:
            thalweg.drain_all(timeout)
        except SystemExit as end:
            code = _exit_code(end)
            # If the handler of a signal has raised it, and not a function, the drain goes on. A second signal ends it.
            thalweg.drain_all(timeout)
    except (KeyboardInterrupt, SystemExit):
        print("interrupted again: what was still in the pipelines is lost", file=sys.stderr)  # noqa: T201
        return code if code == _TERMINATED else _INTERRUPTED
    except Exception as error:
        _report(_without_our_frames(error))
        return code or 1
    finally:
        program_end.mark_ended()
    return code


def _exit() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    _exit()
