"""`install_as`. Each test runs in a separate process: an import can't be undone."""

from __future__ import annotations

import textwrap

import pytest

from support import Python


def holds(python: Python, program: str) -> None:
    done = python("-c", textwrap.dedent(program))
    assert done.returncode == 0, done.stderr


def test_the_package_and_its_modules_are_ours(python):
    holds(
        python,
        """
        import thalweg
        from thalweg import install_as
        install_as("streamz", "rapidz")
        import streamz, rapidz, streamz.plugins
        from streamz.plugins import load_plugins
        import thalweg.plugins
        import thalweg.compat.rapidz
        assert streamz is thalweg and rapidz is thalweg.compat.rapidz
        assert streamz.plugins is thalweg.plugins
        assert load_plugins is thalweg.plugins.load_plugins
        """,
    )


def test_modules_keep_their_own_names(python):
    holds(
        python,
        """
        from thalweg import install_as
        install_as("streamz")
        import streamz.plugins, sys
        module = sys.modules["thalweg.stream.plugins"]
        assert module is sys.modules["streamz.plugins"] is sys.modules["thalweg.plugins"]
        assert module.__name__ == module.__spec__.name == "thalweg.stream.plugins"
        assert module.__spec__.loader is module.__loader__
        assert sys.modules["thalweg"].__spec__.name == "thalweg"
        assert sys.modules["thalweg"].__spec__.parent == "thalweg"
        import importlib
        assert importlib.reload(module) is module
        """,
    )


def test_installing_twice_changes_nothing(python):
    holds(
        python,
        """
        import sys
        from thalweg import install_as
        install_as("streamz")
        finders = list(sys.meta_path)
        import streamz
        install_as("streamz", "rapidz")
        assert sys.meta_path == finders
        import rapidz
        assert issubclass(rapidz.Stream, streamz.Stream)
        """,
    )


def test_a_missing_module_is_named(python):
    holds(
        python,
        """
        from thalweg import install_as
        install_as("streamz")
        for name in ("streamz.nowhere", "streamz.nowhere.deeper"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                assert "streamz.nowhere" in str(error), error
                assert "thalweg has no" in str(error), error
                assert error.name.startswith("streamz."), error.name
            else:
                raise AssertionError(name)
        try:
            from streamz import nowhere
        except ImportError as error:
            assert "nowhere" in str(error), error
        else:
            raise AssertionError
        """,
    )


def test_other_imports_are_left_alone(python):
    holds(
        python,
        """
        from thalweg import install_as
        install_as("streamz")
        import importlib.util
        assert importlib.util.find_spec("streamzz") is None
        assert importlib.util.find_spec("json").name == "json"
        """,
    )


def test_an_already_imported_package_is_refused(python, tmp_path):
    (tmp_path / "streamz.py").write_text("")
    holds(
        python,
        """
        import streamz, sys
        from thalweg import install_as
        try:
            install_as("rapidz", "streamz")
        except ImportError as error:
            assert error.name == "streamz"
            assert "imported already" in str(error) and streamz.__file__ in str(error), error
        else:
            raise AssertionError
        [finder] = [each for each in sys.meta_path if "_AliasFinder" in repr(each)]
        assert not {"streamz", "rapidz"} & finder.targets.keys()
        """,
    )


def test_a_subpackage_can_be_aliased(python, tmp_path):
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "__init__.py").write_text("")
    (tmp_path / "outer" / "inner.py").write_text("raise AssertionError")
    holds(
        python,
        """
        from thalweg import install_as
        install_as("outer.inner")
        import outer.inner, thalweg
        assert outer.inner is thalweg
        assert outer is not thalweg
        """,
    )


@pytest.mark.parametrize("name", ["", "a b", "a..b", "1", 3, "thalweg", "thalweg.core"])
def test_an_invalid_package_name_is_refused(name):
    from thalweg import install_as

    with pytest.raises(ValueError, match="thalweg itself" if "thalweg" in str(name) else "not the name"):
        install_as(name)
