"""Prometheus' text format, read by the letter: what is not right raises.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the naming
rules of https://prometheus.io/docs/practices/naming/.
"""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"),
            "summary": ("", "_sum", "_count")}


class Wrong(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Wrong(" ".join(map(str, what)))


def number(text):
    check(re.fullmatch(r"[-+]?(\d+\.?\d*([eE][-+]?\d+)?|Inf)|Nan", text),
          "not a number:", text)
    return float(text)


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = {}

    def takes(self, name):
        return any(name == self.name + suffix
                   for suffix in SUFFIXES.get(self.type, ("",)))


class Page:
    """families by name; samples of a family by (name, labels)."""

    def __init__(self, text):
        self.families = {}
        check(text.endswith("\n"), "the last line has no end")
        family = None
        for line in text[:-1].split("\n"):
            try:
                family = self._line(line, family)
            except Wrong as wrong:
                raise Wrong(f"{wrong}; line: {line}") from None
        for family in self.families.values():
            self._check(family)

    def _line(self, line, family):
        if line.startswith("# HELP "):
            found = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
            check(found, "a wrong HELP")
            name = found.group(1)
            check(name not in self.families, "a family twice, or torn apart")
            family = self.families[name] = Family(*found.groups())
            return family
        if line.startswith("#"):
            found = re.fullmatch(rf"# TYPE ({NAME}) ([a-z]+)", line)
            check(found and found.group(2) in TYPES, "a wrong TYPE")
            check(family and family.name == found.group(1), "TYPE before HELP")
            check(family.type is None and not family.samples, "TYPE too late")
            family.type = found.group(2)
            return family
        found = SAMPLE.fullmatch(line)
        check(found, "not a sample")
        name, labels, value = found.groups()
        check(family and family.type and family.takes(name), "not in its family")
        pairs = re.findall(rf"({LABEL})(?:,|$)", labels or "")
        pairs = [tuple(pair[:-1].split('="', 1)) for pair in pairs]
        check(len({key for key, _ in pairs}) == len(pairs), "a label twice")
        key = name, frozenset(pairs)
        check(key not in family.samples, "a sample twice")
        family.samples[key] = number(value)
        return family

    @staticmethod
    def _check(family):
        name = family.name
        check(family.samples, name, "has no sample")
        check(name.endswith("_total") == (family.type == "counter"),
              name, "is a", family.type)
        if family.type in ("counter", "histogram"):
            check(all(value >= 0 for value in family.samples.values()),
                  name, "has a negative sample")
        if family.type == "histogram":
            check(name.endswith("_seconds"), name, "has no unit")
            series = {labels for sample, labels in family.samples
                      if sample == name + "_count"}
            for sample, labels in family.samples:
                plain = frozenset(pair for pair in labels if pair[0] != "le")
                check(plain in series, sample, "without a count")
            for labels in series:
                Page._check_histogram(family, labels)

    @staticmethod
    def _check_histogram(family, labels):
        total = family.samples[family.name + "_count", labels]
        check((family.name + "_sum", labels) in family.samples, "no sum")
        buckets = buckets_of(family, labels)
        check(buckets and buckets[-1][0] == math.inf, family.name, "no +Inf")
        check(buckets[-1][1] == total, family.name, "+Inf is not the count")
        counts = [count for _, count in buckets]
        check(counts == sorted(counts), family.name, labels, "not cumulative")

    def value(self, name, **labels):
        family = self.families.get(name)
        for suffix in "_count", "_sum":
            family = family or self.families.get(name.removesuffix(suffix))
        return family.samples[name, frozenset(labels.items())]

    def buckets(self, name, **labels):
        """(bound, cumulative count), in order."""
        return buckets_of(self.families[name], frozenset(labels.items()))

    def counters(self):
        """All that may never become less, by sample."""
        for family in self.families.values():
            for (name, labels), value in family.samples.items():
                if family.type == "counter" or (
                        family.type == "histogram" and name != family.name):
                    yield (name, labels), value


def buckets_of(family, labels):
    return sorted(
        (number(dict(full)["le"]), count)
        for (name, full), count in family.samples.items()
        if name == family.name + "_bucket"
        and frozenset(p for p in full if p[0] != "le") == labels)
