#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what chaos_counter wrote down: history.py LOSSES STEPS.0 STEPS.1 ...

STEPS.N are the lines `TIME KEY VALUE` of the client on node N. Sorted by time each value must be the one
before it plus one: a smaller one is a lost update, an equal one a doubled one, a larger one was never made.

LOSSES says when the newest copy of a record may have been lost, in the same microseconds:
  kill NODE FROM DEAD UNTIL  the daemon was killed between FROM and DEAD and started again. Its records go back
                         to their newest copy elsewhere, once. Its client's steps until then are not judged.
  cut NODE FROM DEAD UNTIL   the node was out of reach for so long that the cluster went on without it. Both
                         sides had reason to count: nothing is judged until it was over.
"""
import collections
import pathlib
import sys

# The times of kills are known to a hundredth of a second.
BLUR_US = 10_000


def read(path):
    return [line.split() for line in pathlib.Path(path).read_text().splitlines()]


def main():
    kills, cuts = [], []
    for what, *numbers in read(sys.argv[1]):
        (kills if what == "kill" else cuts).append(tuple(map(int, numbers)))
    steps = collections.defaultdict(list)
    total = 0
    for node, path in enumerate(sys.argv[2:]):
        for time, key, value in read(path):
            steps[key].append((int(time), node, int(value)))
            total += 1
    wrong = fallbacks = 0
    for key, history in sorted(steps.items()):
        last = None
        for time, node, value in sorted(history):
            if any(start <= time <= end for _, start, _, end in cuts):
                last = None
                continue
            dead = next((k for k in kills if k[0] == node and k[1] <= time <= k[3]), None)
            # A step of the last moment may have been before the kill.
            if dead and not (last and value == last[1] + 1 and time <= dead[2] + BLUR_US):
                continue
            if last and value != last[1] + 1:
                if value <= last[1] and any(
                    last[0] <= end + BLUR_US and start <= time for _, start, end, _ in kills
                ):
                    fallbacks += 1
                else:
                    wrong += 1
                    if wrong <= 10:
                        print(f"{key}: {last[1]} at {last[0]} on node {last[2]}, then {value} at {time} on node {node}")
            last = (time, value, node)
    print(f"{total} increments, {len(kills)} kills, {fallbacks} records went back with their node, {wrong} wrong steps")
    sys.exit(1 if wrong or not total else 0)


if __name__ == "__main__":
    main()
