# SPDX-License-Identifier: GPL-2.0-only
"""numba's cache of compiled code, with checked files: what is damaged is removed and compiled anew, never run.

numba keeps an index and machine code in pickles and loads what it finds. Here each file starts with the SHA-256 of the
rest of it. A file that does not agree, or is no file, is as good as missing. What cannot be written is not kept.
"""

import hashlib
import os
import pickle
import stat
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache

from kvmarm.code_cache import discard, warn

_DIGEST = 32


def _read(path: str) -> bytes | None:
    """Return what a file holds after its digest, None when it is missing, damaged or no file; then it is removed."""
    try:
        # Not a pipe, which would be waited for.
        if stat.S_ISREG(os.lstat(path).st_mode):
            data = Path(path).read_bytes()
            if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
                return data[_DIGEST:]
    except FileNotFoundError:
        return None
    except OSError:
        pass
    discard(Path(path))
    return None


class CheckedFile(IndexDataCacheFile):
    """Index and data files of one function, each behind its digest."""

    def _load_index(self) -> dict[Any, str]:
        data = _read(self._index_path)
        if data is None:
            return {}
        version, stamp, overloads = pickle.loads(data)
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, pickle.dumps((self._version, self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        path = self._data_path(name)
        data = _read(path)
        if data is None:
            raise FileNotFoundError(path)
        return pickle.loads(data)

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), self._dump(data))

    def _write(self, path: str, data: bytes) -> None:
        if os.path.isdir(path):
            discard(Path(path))
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(data).digest() + data)


class CheckedCache(FunctionCache):
    """A function's cache that gives up, with one warning, where nothing can be written."""

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; where that fails, keep none."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            warn(f"{self.cache_path}: {error.strerror or error}: compiled code is not kept")


def check(dispatcher: Any, folder: Path) -> Any:
    """Return a dispatcher of numba's whose cache is in `folder` and checked; without one when it is elsewhere."""
    cache = getattr(dispatcher, "_cache", None)
    if isinstance(cache, FunctionCache):
        inside = os.path.realpath(cache.cache_path).startswith(os.path.realpath(folder) + os.sep)
        if inside and isinstance(getattr(cache, "_cache_file", None), IndexDataCacheFile):
            cache.__class__ = CheckedCache
            cache._cache_file.__class__ = CheckedFile
        else:
            dispatcher._cache = NullCache()
    return dispatcher
