# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by `status-page`: looks at the page while the cluster goes through good and bad times."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from browser import Browser

CLUSTER = pathlib.Path(os.environ["cluster"])
PROGRAMS = os.environ["programs"]
TOKEN = "0123456789abcdef0123"
PORT = 9922
# Chromium keeps the password for what the page loads.
URL = f"http://anybody:{TOKEN}@127.0.0.1:{PORT}/"
TAB = "\ue004"

passed = failed = 0


def check(what, ok, told=""):
    global passed, failed
    if ok:
        passed += 1
        print(f"ok: {what}", flush=True)
    else:
        failed += 1
        print(f"FAILED: {what} {told}", flush=True)


def environment(node):
    names = {"CTDB_TEST_MODE": "yes", "CTDB_BASE": CLUSTER / f"node.{node}", "CTDB_TEST_HELPER_BINDIR": PROGRAMS}
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return {**os.environ, **{name: str(value) for name, value in names.items()}, "PATH": path}


def start_exporter():
    token = CLUSTER / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    options = ["--listen", f"tcp:127.0.0.1:{PORT}", "--token-file", token]
    return subprocess.Popen(
        [f"{PROGRAMS}/ctdb-exporter", *options], env=environment(0), stderr=subprocess.DEVNULL)


def pid(node):
    return int((CLUSTER / f"node.{node}/run/ctdbd.pid").read_text())


def ctdb(node, *words):
    return subprocess.run(["ctdb", *words], env=environment(node), check=False, capture_output=True, text=True).stdout


def start_node(node):
    subprocess.run([f"{PROGRAMS}/ctdbd"], env=environment(node), stdin=subprocess.DEVNULL, check=False)


def shot(browser, name):
    folder = sys.argv[1] if len(sys.argv) > 1 else ""
    if folder:
        browser.picture(f"{folder}/{name}.png")


def says(browser, text, seconds=30):
    words = f"document.getElementById('verdict').textContent.includes({text!r})"
    return browser.wait(words, seconds) is not None


def width_fits(browser):
    return browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


def good_times(browser):
    browser.open(URL)
    check("a healthy cluster says so", says(browser, "All 3 nodes OK"), browser.text("header"))
    moved = "document.querySelectorAll('#hot tbody th').length > 0"
    check("a record that moves is named", browser.wait(moved) is not None, browser.text("#hot"))
    time.sleep(4.5)
    check("its key is readable", "share root" in browser.text("#hot"), browser.text("#hot"))
    check("addresses have nodes", browser.text("#addresses").count("Node ") == 4, browser.text("#addresses"))
    check("a name from outside stays text", "<img src=x onerror=alert(1)>.tdb" in browser.text("#databases"))
    check("and makes no element", browser.run("return document.querySelectorAll('main img').length") == 0)
    check("nothing is wrong", browser.run("return document.getElementById('problems-section').hidden"))
    shot(browser, "healthy")
    browser.press(TAB)
    first = browser.run("return document.activeElement.textContent")
    check("the first stop of the keyboard skips to the nodes", first == "To the nodes", first)
    browser.run("document.activeElement.blur(); return 0")


def phone_and_dark():
    with Browser(390, 844, dark=True) as browser:
        browser.open(URL)
        check("a phone, dark", says(browser, "All 3 nodes OK"))
        check("needs no scrolling sideways", width_fits(browser))
        back = browser.run("return getComputedStyle(document.body).backgroundColor")
        check("is dark", back == "rgb(21, 23, 26)", back)
        shot(browser, "phone")


def node_down(browser):
    os.kill(pid(2), signal.SIGKILL)
    check("a killed node", says(browser, "1 of 3 nodes not OK"), browser.text("header"))
    # the cluster has to come to rest
    rest = "[...document.querySelectorAll('#addresses tbody tr')].every((row) => /Node [01]/.test(row.innerText))"
    check("its addresses move", browser.wait(rest, 40) is not None, browser.text("#addresses"))
    why = browser.text("#nodes")
    check("with the reason", "not connected, 127.0.0.3" in why and "refused" in why.lower(), why)
    check("what changed is told", "DISCONNECTED" in browser.text("#changes"), browser.text("#changes"))
    shot(browser, "node-down")
    start_node(2)
    check("it comes back", says(browser, "All 3 nodes OK", 60), browser.text("header"))


def recovery(browser):
    # a node that is frozen holds a recovery up
    leader = int(ctdb(0, "leader"))
    frozen = 2 if leader != 2 else 1
    os.kill(pid(frozen), signal.SIGSTOP)
    asked = subprocess.Popen(["ctdb", "recover"], env=environment(0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check("a recovery", says(browser, "Recovery is active", 40), browser.text("header"))
    shot(browser, "recovery")
    os.kill(pid(frozen), signal.SIGCONT)
    asked.wait()
    check("ends", says(browser, "All 3 nodes OK", 90), browser.text("body"))


def lost(browser, exporter):
    os.kill(pid(0), signal.SIGSTOP)
    check("a frozen daemon", says(browser, "No contact with ctdbd"), browser.text("header"))
    shot(browser, "ctdbd-silent")
    os.kill(pid(0), signal.SIGCONT)
    check("is seen again", says(browser, "nodes OK", 60), browser.text("header"))
    says(browser, "All 3 nodes OK", 60)
    exporter.terminate()
    exporter.wait()
    check("a lost exporter", says(browser, "Contact lost"), browser.text("header"))
    faint = browser.run("return getComputedStyle(document.querySelector('main')).opacity")
    check("greys what is old", float(faint) < 1, faint)
    shot(browser, "contact-lost")
    again = start_exporter()
    check("the page finds the next one", says(browser, "All 3 nodes OK", 40), browser.text("header"))
    return again


def many_pages():
    """Pages of which there are too many are told, and the page does not hide it."""
    import http.client
    connections = []
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        connection.request("GET", "/events", headers={"Authorization": f"Bearer {TOKEN}"})
        connections.append(connection)
    codes = [connection.getresponse().status for connection in connections]
    check("open pages are bounded", 503 in codes and 200 in codes, codes)
    for connection in connections:
        connection.close()


def main():
    exporter = start_exporter()
    try:
        time.sleep(1)
        with Browser(1280, 900) as browser:
            good_times(browser)
            complaints = browser.complaints()
            check("the console is empty", not complaints, complaints)
            node_down(browser)
            recovery(browser)
            exporter = lost(browser, exporter)
        phone_and_dark()
        many_pages()
    finally:
        exporter.terminate()
        exporter.wait()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
