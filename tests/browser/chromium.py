"""Driving a headless Chromium with the standard library: the DevTools protocol over two pipes.

With `--remote-debugging-pipe` the browser reads commands from descriptor 3 and writes answers and events to descriptor
4, as JSON objects that end in a zero byte (https://chromedevtools.github.io/devtools-protocol/). No port is opened, so
nothing else on the machine can talk to this browser, and no driver has to match its version.

    with Browser(profile) as browser:
        page = browser.open(Path("verify.html"))
        page.set_files("#bundle", [Path("bundle.zip")])
        page.evaluate("document.title")
"""

import base64
import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = shutil.which("chromium") or "/usr/bin/chromium"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers, where the sandbox cannot start
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # even a request that slipped through would find no host
    "--remote-debugging-pipe",
)
_ABOVE_STANDARD = 10  # so that neither end of a pipe lies on 3 or 4, where the browser expects them
_CHUNK = 1 << 20


class BrowserError(Exception):
    """The browser refused a command, raised in the page, or did not answer in time."""


class Browser:
    """One browser process with a profile of its own; a context manager."""

    def __init__(self, profile: Path) -> None:
        commands, self._write = _pipe()
        self._read, answers = _pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, commands, 3),
            (os.POSIX_SPAWN_DUP2, answers, 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0o600),
        ]
        arguments = [PROGRAM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = os.posix_spawn(PROGRAM, arguments, os.environ, file_actions=actions)
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call("Browser.close")
        os.waitpid(self._process, 0)
        os.close(self._read)
        os.close(self._write)

    def open(self, file: Path) -> "Page":
        """Open a local file in a new tab; returns once it has loaded. Its requests are recorded from the first on."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        # Workers get sessions of their own, whose requests would go unseen otherwise.
        page.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        page.call("Page.navigate", url=file.resolve().as_uri())
        self.wait_for("Page.loadEventFired", session)
        return page

    def call(self, method: str, *, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; events that arrive meanwhile are kept in `events`."""
        number = self._send(method, session, parameters)
        while (found := self._next(60)).get("id") != number:
            self._keep(found)
        if "error" in found:
            raise BrowserError(f"{method}: {found['error']['message']}")
        result: dict[str, Any] = found["result"]
        return result

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """Return the first event of this name on this session, whether it has come or is to come."""
        while True:
            for event in self.events:
                if event["method"] == method and event.get("sessionId") == session:
                    return event
            self._keep(self._next(60))

    def _send(self, method: str, session: str | None, parameters: dict[str, object]) -> int:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        _write_all(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _keep(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            return  # the answer to a command of the next lines, which nobody waits for
        self.events.append(message)
        if message["method"] == "Target.attachedToTarget":
            self._send("Network.enable", message["params"]["sessionId"], {})

    def _next(self, seconds: float) -> dict[str, Any]:
        """The next message from the browser."""
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._read, _CHUNK) if ready else b""
            if not data:
                raise BrowserError("the browser does not answer" if not ready else "the browser has ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._first = len(browser.events)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.call(method, session=self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a script, awaited if it is a promise; raises `BrowserError` if it throws."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def set_files(self, selector: str, files: Sequence[Path]) -> None:
        """Choose files in a file picker, as a person would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve()) for file in files])

    def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Drop files on an element, as a person would."""
        script = f"(r => ({{x: r.x + r.width / 2, y: r.y + r.height / 2}}))({_box(selector)})"
        place = self.evaluate(script)
        data = {"items": [], "files": [str(file.resolve()) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, data=data, **place)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        place = self.evaluate(f"(r => ({{x: r.x + r.width / 2, y: r.y + r.height / 2}}))({_box(selector)})")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key: str) -> None:
        """Press a key that is named as in the DOM, such as `Enter` or `Tab`."""
        codes = {"Enter": 13, "Tab": 9}
        text = {"Enter": "\r"}.get(key, "")
        common = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the window a size in CSS pixels, and a colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, file: Path) -> None:
        """Write the whole page as a PNG."""
        self.call("Page.bringToFront")  # a tab in the background paints nothing, and would keep us waiting
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def print(self, file: Path) -> None:
        """Write the page as it prints, as a PDF."""
        found = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        file.write_bytes(base64.b64decode(found["data"]))

    def requests(self) -> list[str]:
        """The addresses that were asked for since the tab was opened, by it, its workers, or another open tab."""
        later = self._browser.events[self._first :]
        sent = [event for event in later if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[str]:
        """What the tab's console holds: uncaught errors, and violations of the content policy."""
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                found.append(str(event["params"]["entry"]["text"]))
        return found


def _box(selector: str) -> str:
    inner = json.dumps(selector)
    return f"(e => (e.scrollIntoView({{block: 'center'}}), e.getBoundingClientRect()))(document.querySelector({inner}))"


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have high numbers and are not inherited."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
