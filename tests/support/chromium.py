"""A headless Chromium, driven over a pipe with the DevTools protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The path of the program; None if it is not installed.
CHROMIUM = shutil.which("chromium")

#: How long the browser may take for anything, in seconds: the machine may be busy.
PATIENCE_S = 60.0

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


#: What Chromium says of an expression whose page went away before its value was there.
_NAVIGATED = "Inspected target navigated"


class NavigatedError(AssertionError):
    """The page that was asked has gone: another one is loaded in its place."""


class Tab:
    """One tab, with its requests and errors so far.

    :ivar requested: the URLs that it has requested
    :ivar complaints: errors of scripts, and violations of the page's security policy
    """

    def __init__(self, out: IO[bytes], into: IO[bytes]) -> None:
        self._into = into
        self._messages: Queue[dict[str, Any]] = Queue()
        self._number = 0
        self._session: str | None = None
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.reader = threading.Thread(target=self._read, args=(out,), daemon=True)
        self.reader.start()

    def open(self, url: str, *, with_scripts: bool = True) -> None:
        """Load a page."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        if not with_scripts:
            self._call("Emulation.setScriptExecutionDisabled", value=True)
        self._call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        given = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        result = self._call("Runtime.evaluate", **given)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true; returns its value."""
        deadline = monotonic() + PATIENCE_S
        between_looks = threading.Event()
        while True:
            # where a page has just left, there is no value yet
            with suppress(NavigatedError):
                if found := self.value(expression):
                    return found
            assert monotonic() < deadline, f"waited in vain: {expression}"
            between_looks.wait(0.05)

    def click(self, selector: str) -> None:
        """Click with the mouse in the middle of an element."""
        where = (
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center', inline: 'center'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        x, y = self.value(where)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._into.write(json.dumps(message).encode() + b"\0")
        self._into.flush()
        while True:
            try:
                answer = self._messages.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(f"Chromium does not answer to {method}") from None
            if answer.get("id") == self._number:
                if answer.get("error", {}).get("message", "").startswith(_NAVIGATED):
                    raise NavigatedError(answer)
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{params['entry'].get('url')}: {params['entry']['text']}")

    def _read(self, out: IO[bytes]) -> None:
        rest = b""
        while piece := os.read(out.fileno(), 65536):
            *whole, rest = (rest + piece).split(b"\0")
            for message in whole:
                self._messages.put(json.loads(message))


@contextmanager
def browser() -> Iterator[Tab]:
    """Run a browser with a profile of its own, and end it."""
    assert CHROMIUM is not None
    folder = tempfile.mkdtemp(prefix="sfa-chromium")
    (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
    command = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
    flags = [*_FLAGS, f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        ["bash", "-c", command, CHROMIUM, *flags],
        pass_fds=(to_read, from_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_read)
    os.close(from_write)
    with os.fdopen(to_write, "wb") as into, os.fdopen(from_read, "rb") as out:
        tab = Tab(out, into)
        try:
            yield tab
        finally:
            process.kill()
            process.wait()
            tab.reader.join(PATIENCE_S)
            shutil.rmtree(folder, ignore_errors=True)
