# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, driven over WebDriver with nothing but Python's library."""
import base64
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PORT = 9515
# What keeps Chromium from looking for its maker's hosts.
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
]


class Browser:
    """One window. `with Browser(width, height, dark) as b:`"""

    def __init__(self, width=1280, height=900, dark=False):
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={PORT}", "--allowed-ips=127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        arguments = [*QUIET, f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}"]
        options = {"binary": "/usr/bin/chromium", "args": arguments}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = ""
        made = self._patiently("/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = f"/session/{made['sessionId']}"
        self.size(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._devtools("Emulation.setEmulatedMedia", {"features": scheme})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._ask("", method="DELETE")
        finally:
            self.driver.terminate()
            self.driver.wait()
            time.sleep(0.2)
            self.profile.cleanup()

    def size(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, url):
        self._ask("/url", {"url": url})

    def run(self, script):
        """The value of a script that ends with `return ...`."""
        return self._ask("/execute/sync", {"script": script, "args": []})

    def text(self, selector="body"):
        return self.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def press(self, key):
        """A key, as `Tab` has \\ue004."""
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._ask("/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def wait(self, what, seconds=20):
        """Until a script returns something true; the time it took, or None."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.run(f"return {what}"):
                return time.monotonic() - start
            time.sleep(0.1)
        return None

    def picture(self, file):
        """The whole page."""
        shot = self._devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        with open(file, "wb") as out:
            out.write(base64.b64decode(shot["data"]))

    def complaints(self):
        """What the page wrote to its console."""
        return [entry["message"] for entry in self._ask("/se/log", {"type": "browser"})]

    def _devtools(self, command, parameters):
        return self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _patiently(self, path, body):
        for _ in range(100):
            try:
                return self._ask(path, body)
            except (ConnectionError, urllib.error.URLError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
                time.sleep(0.1)
        raise RuntimeError("chromedriver does not start")

    def _ask(self, path, body=None, method="POST"):
        data = None if method == "DELETE" else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}{self.session}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:500]}") from error
