"""Rounds of interleaved contenders, and what they show: medians of pairs with their intervals.

A lone figure of a shared machine says nothing about another. In every round each contender does
each workload once, in random order; compared are two contenders of the same round, and what counts
is the median over the rounds with its 95 % interval.
"""

import dataclasses
import functools
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys

from freehold_testing import BINARY
from postgres_testing import BIN


def run(made, workloads, rounds):
    """Figures by (workload, contender), one for each round. A workload is a function of a contender
    that returns {figure's name: figure}."""
    figures = {}
    for number in range(rounds):
        for name in random.sample(list(made), len(made)):
            for workload in workloads:
                for what, figure in workload(made[name]).items():
                    figures.setdefault((what, name), []).append(figure)
        now = ", ".join(f"{what} {name} {values[-1]:.4g}"
                        for (what, name), values in sorted(figures.items()))
        print(f"round {number + 1} of {rounds}: {now}", file=sys.stderr, flush=True)
    return figures


def interval(values):
    """The 95 % interval of the median: order statistics, no assumption about the distribution.
    The number of values below the true median is binomial with one half. None below six values."""
    values, n = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < n and below + math.comb(n, rank) / 2**n <= 0.025:
        below += math.comb(n, rank) / 2**n
        rank += 1
    return (values[rank - 1], values[n - rank]) if rank > 0 else None


@dataclasses.dataclass(frozen=True)
class Compared:
    """A figure of one contender over that of another: their ratio; with `unit`, the difference."""

    what: str
    top: str
    bottom: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str | None = None

    def pairs(self, figures):
        both = zip(figures[self.what, self.top], figures[self.what, self.bottom])
        return [top - bottom if self.unit else top / bottom for top, bottom in both]

    def bar(self, median, bounds):
        """Met or missed only where the whole interval is on one side."""
        if self.at_least is not None:
            bar, meets = f"at least {self.at_least:g}", lambda value: value >= self.at_least
        elif self.at_most is not None:
            bar, meets = f"at most {self.at_most:g}", lambda value: value <= self.at_most
        else:
            return "", ""
        sides = {meets(bound) for bound in bounds} if bounds else {True, False}
        if len(sides) == 1:
            return bar, "met" if sides == {True} else "missed"
        return bar, f"open, median {'meets' if meets(median) else 'misses'}"

    def row(self, figures):
        pairs = self.pairs(figures)
        median = statistics.median(pairs)
        bounds = interval(pairs)
        digits = ".1f" if self.unit else ".2f" if median >= 2 else ".3f"
        between = f"{bounds[0]:{digits}} to {bounds[1]:{digits}}" if bounds else "too few pairs"
        sign, unit = ("-", f" {self.unit}") if self.unit else ("/", "")
        bar, verdict = self.bar(median, bounds)
        return (f"| {self.what} | {self.top} {sign} {self.bottom} | {median:{digits}}{unit} "
                f"| {between} | {bar} | {verdict} |")


def table(figures, comparisons):
    known = [c for c in comparisons
             if (c.what, c.top) in figures and (c.what, c.bottom) in figures]
    return "\n".join(["| workload | compared | median | 95 % interval | bar | |",
                      "|---|---|---|---|---|---|"] + [c.row(figures) for c in known])


def absolutes(figures):
    """Medians of each contender alone: for orientation."""
    names = list(dict.fromkeys(name for _, name in figures))
    lines = [f"| median of | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for what in dict.fromkeys(what for what, _ in figures):
        cells = [f"{statistics.median(figures[what, name]):.4g}" if (what, name) in figures else ""
                 for name in names]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).split("\n")[0]


def hardware():
    cpu = next(line.split(": ")[1] for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n")
               if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"Linux {os.uname().release}, {os.cpu_count()} CPUs ({cpu}), {memory:.0f} GiB"


@functools.cache
def machine():
    versions = [first_line(BINARY, "--version"), first_line("gocryptfs", "--version"),
                "securefs " + first_line("dpkg-query", "-W", "-f=${Version}", "securefs"),
                first_line(BIN / "postgres", "--version"), first_line("openssl", "version")]
    return "; ".join([hardware(), *versions])


def report(title, conditions, figures, comparisons, to_file=None):
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    text = "\n\n".join([f"### {title}",
                        f"{conditions}. {machine()}. Load average at the end: {load}.",
                        table(figures, comparisons), absolutes(figures)]) + "\n"
    show(text, to_file)


def show(text, to_file=None):
    """Prints a table, and appends it to a file."""
    print(text, flush=True)
    if to_file is not None:
        with open(to_file, "a", encoding="utf-8") as results:
            results.write(text + "\n")
