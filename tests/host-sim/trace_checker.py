"""Reads a trace as a viewer does, and finds fault with it.

usage: trace_checker.py TRACE
"""
import collections
import json
import re
import sys

THREAD = re.compile(r"^(loop \d+|[A-Za-z0-9_.-]+/\d+)$")
CLOSURE = re.compile(r"^\S.*:\d+$")  # a path may have spaces


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.events = json.load(file)
        self.threads = {}
        for event in self.of("M"):
            if event["name"] == "thread_name":
                self.threads[event["tid"]] = event["args"]["name"]

    def of(self, phases, category=None):
        return [event for event in self.events if event["ph"] in phases and
                category in (None, event.get("cat"))]

    def closures(self):
        """The slices in which closures begin, not those in which they go on."""
        return [event for event in self.of("B", "closure")
                if not event["args"].get("resumed")]

    def faults(self):
        yield from self._threads()
        yield from self._slices()
        yield from self._flows()
        yield from self._spans()
        for event in self.closures():
            if not CLOSURE.match(event["name"]):
                yield f"a closure named {event['name']!r}"

    def _threads(self):
        for event in self.events:
            if event["ph"] not in "M" and event["tid"] not in self.threads:
                yield f"a thread without a name: {event}"
        names = list(self.threads.values())
        if len(set(names)) != len(names):
            yield f"two threads of one name: {sorted(names)}"
        for name in names:
            if not THREAD.match(name):
                yield f"a thread named {name!r}"

    def _slices(self):
        """Slices nest, in the order of the file, and their times do not go back;
        flow events lie in one."""
        open_slices = collections.defaultdict(list)
        last = collections.defaultdict(float)
        for event in self.events:
            if event["ph"] not in "BEstf":
                continue
            tid = event["tid"]
            if event["ts"] < last[tid]:
                yield f"time goes back on {self.threads[tid]}: {event}"
            last[tid] = event["ts"]
            if event["ph"] == "B":
                open_slices[tid].append(event)
            elif not open_slices[tid]:
                yield f"no slice is open on {self.threads[tid]}: {event}"
            elif event["ph"] == "E":
                open_slices[tid].pop()
        for tid, left in open_slices.items():
            if left:
                yield f"never ended on {self.threads[tid]}: {left}"

    def _flows(self):
        flows = collections.defaultdict(list)
        for event in self.of("stf"):
            flows[event["cat"], event["id"]].append(event)
        for key, events in flows.items():
            events.sort(key=lambda event: event["ts"])
            phases = "".join(event["ph"] for event in events)
            if not re.fullmatch("st?f", phases):
                yield f"flow {key} goes {phases}"

    def _spans(self):
        spans = collections.defaultdict(list)
        for event in self.of("be"):
            spans[event["cat"], event["id"]].append(event)
        for key, events in spans.items():
            stack = []
            # Of one time in the order of the file, as viewers sort.
            for event in sorted(events, key=lambda event: event["ts"]):
                if event["ph"] == "b":
                    stack.append(event["name"])
                elif not stack or stack.pop() != event["name"]:
                    yield f"span {key}: {event['name']} ends, but did not begin"
            if stack:
                yield f"span {key}: {stack} never ended"


if __name__ == "__main__":
    found = list(Trace(sys.argv[1]).faults())
    print("\n".join(found[:20]))
    sys.exit(bool(found))
