"""An object store by its address: s3://, gs:// or az:// with a bucket and a prefix, file:///folder, memory:///.

Credentials, region and endpoint come from the environment, as the makers of each store name them (AWS_ACCESS_KEY_ID,
AWS_REGION, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, ...).
https://developmentseed.org/obstore/latest/
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import structlog

from heedmap.app.errors import StoreUnavailable
from heedmap.model.errors import HeedmapError

MULTIPART = 64 << 20  # bytes: a larger object goes up in parts, each of which is tried again by itself
PART = 8 << 20  # bytes of a part, and of one read
SECONDS = 20  # of one request, with its tries: a third of what callers wait for an answer
RETRY_AFTER = "5"  # seconds: about what a store's own hiccup lasts

log = structlog.get_logger("heedmap")


class Objects:
    """Files under names, in an object store. Each method waits for the network: call it where no reader waits.

    Args:
        address: of the store, with the prefix of all names.

    Raises:
        HeedmapError: the address is none, or obstore is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            obstore, stores = import_module("obstore"), import_module("obstore.store")
        except ImportError as error:
            raise HeedmapError(
                f"traces in {urlsplit(address).scheme}:// need obstore: pip install 'heedmap[cloud]'", field="traces"
            ) from error
        self._api: Any = obstore
        try:
            if address.startswith("file://"):
                self._store: Any = stores.LocalStore(url2pathname(urlsplit(address).path), mkdir=True)
            elif address.startswith("memory://"):
                self._store = stores.from_url(address)
            else:
                plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
                options = {"timeout": f"{SECONDS}s", "connect_timeout": "3s", "allow_http": plain}
                retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=SECONDS)}
                self._store = stores.from_url(address, client_options=options, retry_config=retries)
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise HeedmapError(
                f"{address} is no address of an object store: {_first_line(error)}; s3://bucket/prefix would be one",
                field="traces",
            ) from error

    def check(self) -> None:
        """Make sure that the store answers.

        Raises:
            StoreUnavailable: it does not.
        """
        with self._answering():
            next(iter(self._api.list(self._store, chunk_size=1)), None)

    def put(self, name: str, path: Path, overwrite: bool = False) -> None:
        """Store a file under a name.

        Raises:
            FileExistsError: there is one of that name already. StoreUnavailable: the store does not answer.
        """
        parts = path.stat().st_size > MULTIPART
        with self._answering():
            if parts and not overwrite and self._exists(name):  # a condition goes with a request, and these are many
                raise FileExistsError(name)
            mode = "overwrite" if overwrite or parts else "create"
            self._api.put(self._store, name, path, mode=mode, use_multipart=parts, chunk_size=PART)

    def fetch(self, name: str, file: BinaryIO) -> None:
        """Write what is stored under a name to a file.

        Raises:
            FileNotFoundError: there is none of that name. StoreUnavailable: the store does not answer.
        """
        with self._answering():
            chunks = iter(self._api.get(self._store, name).stream(min_chunk_size=PART))
        while True:
            with self._answering():
                chunk = next(chunks, None)
            if chunk is None:
                return
            file.write(memoryview(chunk))

    def changed(self, name: str) -> float:
        """When it was stored, in seconds.

        Raises:
            FileNotFoundError: there is none of that name. StoreUnavailable: the store does not answer.
        """
        with self._answering():
            return float(self._api.head(self._store, name)["last_modified"].timestamp())

    def delete(self, name: str) -> bool:
        """Remove what is stored under a name; whether there was something.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._answering():
            if not self._exists(name):
                return False
            self._api.delete(self._store, name)
            return True

    def older(self, than: float) -> Iterator[str]:
        """The names of what was stored before a time, in seconds.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._answering():
            for chunk in self._api.list(self._store):
                yield from (entry["path"] for entry in chunk if entry["last_modified"].timestamp() < than)

    def _exists(self, name: str) -> bool:
        try:
            self._api.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except self._api.exceptions.AlreadyExistsError as error:
            raise FileExistsError(_first_line(error)) from None
        except self._api.exceptions.BaseError as error:
            log.warning("object_store_failed", cause=_first_line(error))
            raise StoreUnavailable(
                "the store of traces does not answer now; ask again in a moment", headers={"Retry-After": RETRY_AFTER}
            ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
