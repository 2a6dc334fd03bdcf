#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what the clients of `rolling-upgrade` wrote down.

judge.py LOGS DATA     logs: db.N (upgrade_client), smb.N (smb_client.py), address.N (ip -ts monitor address),
                       steps, counters; DATA is the folder that Samba shares
judge.py --self-test   on doctored logs it has to find what is wrong

Prints `ok:` and `FAILED:` lines, a table of seconds per step, and `count PASSED FAILED`.
"""
import datetime
import pathlib
import re
import sys
import tempfile

# A connection may break from this long before the address is taken off (it is killed first) ...
BEFORE = 5.0
# ... until this long after it is somewhere else, or the daemon is back.
AFTER = 5.0
# A daemon is away from the shutdown until its node is OK; who tries again is served this much later.
BACK = 10.0
# Nobody may be without service for longer than this, but a client of the node that is exchanged.
RECONNECT = 15.0


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, problems):
        problems = list(problems)
        if problems:
            self.failed += 1
            print(f"FAILED: {what}")
            for problem in problems[:10]:
                print(f"    {problem}")
        else:
            self.passed += 1
            print(f"ok: {what}")


def lines(path):
    return [line.split() for line in path.read_text().splitlines() if line.strip()]


def steps_of(logs):
    """[(name, host, {phase: time})] in order."""
    steps = []
    for _, time, host, name in lines(logs / "steps"):
        if name == "drain":
            steps.append((int(host), {}))
        if name != "over":
            steps[-1][1][name] = float(time)
    return steps


def overlaps(held):
    """Pairs of intervals (from, to, who) of different holders that overlap."""
    held = sorted(held)
    latest = None
    for one in held:
        if latest and one[2] != latest[2] and one[0] < latest[1]:
            yield f"{latest[2]} held it from {latest[0]:.6f} to {latest[1]:.6f}, {one[2]} from {one[0]:.6f}"
        if latest is None or one[1] > latest[1]:
            latest = one


def moves_of(logs):
    """{address: [(time, "gone" or "there")]} as the hosts saw it."""
    moves = {}
    for path in sorted(logs.glob("address.*")):
        time = None
        for line in path.read_text().splitlines():
            stamp = re.match(r"\[(\S+?)\] ", line) or re.match(r"Timestamp: (.*)", line)
            if stamp:
                time = datetime.datetime.fromisoformat(stamp[1]).timestamp()
            found = re.search(r"inet (10\.88\.0\.\d+)/", line)
            if found and time:
                moves.setdefault(found[1], []).append((time, "gone" if "Deleted" in line else "there"))
    return {address: sorted(events) for address, events in moves.items()}


def windows_of(events):
    """When a connection to an address may break: from BEFORE it goes until AFTER it is there again."""
    windows = []
    for index, (time, what) in enumerate(events):
        if what == "gone":
            back = next((t for t, w in events[index:] if w == "there"), time)
            windows.append((time - BEFORE, max(back, time) + AFTER))
    return windows


def outages(events):
    """[(from, to, words)] out of error and again lines."""
    since = None
    for words in events:
        if words[0] == "error" and since is None:
            since = words
        elif words[0] == "again" and since is not None:
            yield float(since[1]), float(words[1]), since
            since = None
    if since is not None:
        yield float(since[1]), float("inf"), since


def inside(time, windows):
    return any(start <= time <= end for start, end in windows)


def locks(judge, logs):
    held = {}
    for path in sorted(logs.glob("db.*")) + sorted(logs.glob("smb.*")):
        for words in lines(path):
            if words[0] == "held":
                held.setdefault(words[1], []).append((float(words[2]), float(words[3]), path.name))
    for what in ("g_lock", "record", "open"):
        intervals = held.get(what, [])
        owners = {who for _, _, who in intervals}
        missing = [] if len(owners) == 3 else [f"only {len(owners)} of 3 clients ever had it"]
        judge.check(f"{what}: held {len(intervals)} times by {len(owners)} clients, by one at a time",
                    missing + list(overlaps(intervals)))


def commits(judge, logs):
    values = {words[1]: words[2] for words in lines(logs / "counters") if len(words) == 3}
    total = [0, 0]
    problems = []
    for path in sorted(logs.glob("db.*")):
        events = lines(path)
        done = sum(words[0] == "commit" for words in events)
        # Each session's end, and the end of the client, may have cut one commit off.
        unsure = sum(words[0] == "error" and before[0] != "error"
                     for before, words in zip(events, events[1:])) + 1
        total = [total[0] + done, total[1] + unsure]
        problems += outside(f"client{path.suffix[1:]}", values, done, unsure)
    problems += outside("shared", values, *total)
    if not total[0]:
        problems.append("nothing was committed")
    judge.check(f"{total[0]} acknowledged commits are there, the same on all nodes", problems)


def outside(key, values, done, unsure):
    value = values.get(key, "")
    if not value.isdigit():
        return [f"counter {key} is '{value}' on the nodes"]
    if not done <= int(value) <= done + unsure:
        return [f"counter {key} is {value}: {done} acknowledged, up to {unsure} cut off"]
    return []


def files(judge, logs, data):
    problems, number, raised, unsure = [], 0, 0, 0
    for path in sorted(logs.glob("smb.*")):
        for words in lines(path):
            raised += words[0] == "raised"
            unsure += words[0] == "unsure"
            if words[0] == "wrong":
                problems.append(f"{path.name}: {' '.join(words)}")
            if words[0] == "file":
                number += 1
                file = data / words[1]
                if not file.is_file() or file.read_bytes() != f"{words[1]}\n".encode() * 100:
                    problems.append(f"{words[1]}, acknowledged at {words[2]}, is not there as written")
        unsure += 1
    judge.check(f"{number} files acknowledged by Samba are there as written",
                problems or ([] if number else ["no file was written"]))
    section = data / "section"
    value = int(section.read_text()) if section.is_file() else -1
    judge.check(f"the number under the exclusive open: {raised} acknowledged, is {value}",
                [] if raised and raised <= value <= raised + unsure else [f"up to {unsure} cut off"])


def errors_of_daemons(judge, logs, steps):
    number, longest, problems = 0, 0.0, []
    for path in sorted(logs.glob("db.*")):
        host = int(path.suffix[1:])
        windows = [(times["stop"] - 1, times["dwell"] + BACK) for who, times in steps if who == host]
        for since, until, words in outages(lines(path)):
            number += 1
            longest = max(longest, until - since)
            if not inside(since, windows):
                problems.append(f"{path.name}: {' '.join(words)}")
            elif not inside(until, windows):
                problems.append(f"{path.name}: {' '.join(words)}: no service until {until}")
    judge.check(f"clients of daemons: {number} reconnects, all while their own node was exchanged"
                f" (longest {longest:.1f} s)", problems)


def errors_of_samba(judge, logs):
    moves = moves_of(logs)
    number, longest, problems = 0, 0.0, []
    for path in sorted(logs.glob("smb.*")):
        events = [words for words in lines(path) if words[0] in ("error", "again")]
        for address in sorted({words[2] for words in events}):
            windows = windows_of(moves.get(address, []))
            for since, until, words in outages([w for w in events if w[2] == address]):
                number += 1
                longest = max(longest, until - since)
                if not inside(since, windows) or until - since > RECONNECT:
                    problems.append(f"{path.name}: {' '.join(words)} (again after {until - since:.1f} s;"
                                    f" moves of the address: {near(since, moves.get(address, []))})")
    judge.check(f"clients of Samba: {number} reconnects, all when their address moved"
                f" (longest {longest:.1f} s)", problems)


def near(time, events):
    return ", ".join(f"{what} {at - time:+.1f} s" for at, what in events if abs(at - time) < 60) or "none"


def table(steps):
    ends = {"drain": "drained", "stop": "package", "package": "start", "start": "addresses", "addresses": "dwell"}
    print(f"{'step':<22}" + "".join(f"{name:>10}" for name in ends) + f"{'total':>10}")
    for index, (host, times) in enumerate(steps):
        row = [times[end] - times[name] for name, end in ends.items()]
        what = "C to Rust" if index < len(steps) / 2 else "Rust to C"
        print(f"node {host}, {what:<14}" + "".join(f"{value:>10.1f}" for value in row) + f"{sum(row):>10.1f}")


def judge_all(logs, data):
    judge = Judge()
    steps = steps_of(logs)
    locks(judge, logs)
    commits(judge, logs)
    files(judge, logs, data)
    errors_of_daemons(judge, logs, steps)
    errors_of_samba(judge, logs)
    table(steps)
    return judge


GOOD = {
    "steps": "phase 100 0 drain\nphase 100 0 drained\nphase 101 0 stop\nphase 102 0 package\nphase 103 0 start\n"
             "phase 105 0 addresses\nphase 106 0 dwell\nphase 110 0 end\nphase 111 0 over\n",
    "counters": "counter shared 3\ncounter client0 1\ncounter client1 1\ncounter client2 1\n",
    "address.0": "[2026-01-01T00:00:00.000000] Deleted 5: eth1    inet 10.88.0.101/24 scope global eth1\n",
    "address.1": "[2026-01-01T00:00:01.000000] 5: eth1    inet 10.88.0.101/24 scope global eth1\n",
    "db.0": "held g_lock 1 2\nheld record 1 2\ncommit 5\nerror 102 gone\nagain 104\n",
    "db.1": "held g_lock 2.5 3\nheld record 2.5 3\ncommit 5\n",
    "db.2": "held g_lock 4 5\nheld record 4 5\ncommit 5\n",
    "smb.0": "held open 1 2\nraised 2\nfile a 3\nerror {moved} 10.88.0.101 reset\nagain {moved}5 10.88.0.101\n",
    "smb.1": "held open 3 4\nraised 4\n",
    "smb.2": "held open 5 6\nraised 6\n",
}
BAD = {
    "two hold a lock": ("db.1", "held g_lock 1.5 3\nheld record 2.5 3\ncommit 5\n"),
    "two hold a record": ("db.1", "held g_lock 2.5 3\nheld record 1.9 3\ncommit 5\n"),
    "two hold a file": ("smb.1", "held open 1.5 4\nraised 4\n"),
    "a commit is lost": ("counters", GOOD["counters"].replace("client1 1", "client1 0")),
    "nodes differ": ("counters", GOOD["counters"].replace("client1 1", "client1 1,2")),
    "a file is lost": ("smb.1", "held open 3 4\nraised 4\nfile b 4\n"),
    "a number is lost": ("smb.1", "held open 3 4\n" + "raised 4\n" * 9),
    "an error on another node": ("db.1", GOOD["db.1"] + "error 102 gone\nagain 104\n"),
    "a client does not come back": ("db.0", GOOD["db.0"].replace("again 104\n", "")),
    "a connection breaks without a move": ("smb.0", GOOD["smb.0"].replace("{moved}", "9")),
}


def self_test():
    moved = f"{datetime.datetime.fromisoformat('2026-01-01T00:00:00.500000').timestamp():.1f}"
    wrong = 0
    for name, change in [("nothing", None), *BAD.items()]:
        with tempfile.TemporaryDirectory() as folder:
            logs = pathlib.Path(folder)
            for file, text in {**GOOD, **dict([change] if change else [])}.items():
                (logs / file).write_text(text.replace("{moved}", moved))
            (logs / "a").write_text("a\n" * 100)
            (logs / "section").write_text("3")
            judge = judge_all(logs, logs)
            if bool(judge.failed) != bool(change):
                wrong += 1
                print(f"SELF-TEST: {name}: {judge.failed} failed")
    return wrong


if sys.argv[1] == "--self-test":
    sys.exit(1 if self_test() else 0)
result = judge_all(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
print(f"count {result.passed} {result.failed}")
sys.exit(1 if result.failed else 0)
