"""Remote files, as elements, and settings for them."""

from thalweg.remote.content import RemoteContent
from thalweg.remote.file import RemoteFile
from thalweg.remote.object import RemoteObject
from thalweg.remote.settings import Remote

__all__ = ["Remote", "RemoteContent", "RemoteFile", "RemoteObject"]
