"""host-sim --compare, from outside.

usage: compare_test.py HOST_SIM PLUGIN

Nothing here sleeps: a run that a test must catch in the middle waits at a FIFO.
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

HOST_SIM, PLUGIN = map(os.path.abspath, sys.argv[1:3])

POLICY = """
local mod, C = {}, msys.core.VALIDATE_CONT
local RUN_INLINE = false
function mod:init()
  msys.runInPool('IO', function() RUN_INLINE = not msys.threadpool.current() end)
end
function mod:validate_data(msg)
  %s
  return C
end
msys.registerModule('test', mod)
"""


def in_words(ns):
    """As host-sim writes durations."""
    for limit, unit, digits in (1e3, "ns", 0), (1e6, "us", 1), (1e9, "ms", 2):
        if ns < limit:
            # Divided once, as it does: of 13350 ns a second rounding makes 13.4.
            return f"{ns / (limit / 1e3):.{digits}f} {unit}"
    return f"{ns / 1e9:.3f} s"


def row(table, name):
    """The two figures of a row."""
    found = re.search(r"^ {4}%s  +(\S+(?: [num]?s)?)  +(\S+(?: [num]?s)?)(?:  |$)"
                      % re.escape(name), table, re.M)
    if not found:
        raise AssertionError(f"no row {name} in\n{table}")
    return list(found.groups())


class CompareTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="host-sim-compare-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        self.json = self.path("out.json")
        self.write("a.eml", "From: a@x.example\nTo: b@x.example\n\nbody\n")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)

    def start(self, policy, *options, config="", **keys):
        self.write("policy.lua", POLICY % policy)
        self.write("host.conf", f"""
Plugin "runinpool" {{ Path = "{PLUGIN}" }}
Lua {{ Max_States = 2 Script "policy" {{ Source = "policy.lua" }} }}
{config}
""")
        return subprocess.Popen(
            [HOST_SIM, "--config", self.path("host.conf"), "--compare", "--json",
             self.json, *options, self.path("a.eml")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keys)

    def run_to_end(self, *args, **keys):
        with self.start(*args, **keys) as process:
            out, err = process.communicate()
        return process.returncode, out, err

    def report(self):
        with open(self.json, encoding="utf-8") as file:
            both = json.load(file)
        return both["pools"], both["inline"]

    def test_the_table_has_the_figures_of_both_reports(self):
        status, out, err = self.run_to_end("""
          assert(msys.runInPool('CPU', function()
            local t = os.clock() + 0.02 while os.clock() < t do end
          end))""", "--sessions", "20", config="EventLoop { Concurrency = 2 }")
        self.assertEqual(status, 0, err)
        both = self.report()
        self.assertEqual([run["inline"] for run in both], [False, True])
        self.assertEqual([run["sessions"]["accepted"] for run in both], [20, 20])
        self.assertEqual(row(out, "accepted"), ["20", "20"])
        self.assertEqual(row(out, "per second"),
                         [f"{run['sessions_per_second']:.0f}" for run in both])
        worst = [max(loop["longest_holdup_ns"] for loop in run["loops"])
                 for run in both]
        self.assertEqual(row(out, "longest hold-up"), [*map(in_words, worst)])
        # os.clock() counts the time of the whole process: with two loops at
        # work a closure of 20 ms takes 10 ms at least.
        self.assertGreater(worst[1], 10e6)
        late = [max(loop["timer_lateness"]["p99_ns"] for loop in run["loops"])
                for run in both]
        self.assertEqual(row(out, "timers late by, p99"), [*map(in_words, late)])
        for phase in both[0]["phases"]:
            self.assertGreater(both[0]["phases"][phase]["count"], 0)
            self.assertEqual(row(out, phase), [
                in_words(run["phases"][phase]["p99_ns"]) for run in both])
        self.assertEqual(row(out, "whole session"), [
            in_words(run["session_time"]["p99_ns"]) for run in both])
        for pool in both[1]["pools"]:
            self.assertEqual(pool["concurrency"], 0, pool["name"])
        cpu = [next(pool for pool in run["pools"] if pool["name"] == "CPU")
               for run in both]
        self.assertEqual([pool["done"] for pool in cpu], [20, 20])
        self.assertEqual(cpu[0]["concurrency"], 4)

    def test_it_is_bad_when_either_run_is(self):
        for bad, status in (("RUN_INLINE", 1), ("not RUN_INLINE", 1),
                            ("false", 0)):
            with self.subTest(bad=bad):
                ended, out, err = self.run_to_end(
                    f"assert(not ({bad}), 'as told')", "--sessions", "3")
                self.assertEqual(ended, status, err)
                accepted = [run["sessions"]["accepted"] for run in self.report()]
                self.assertEqual(row(out, "accepted"), [*map(str, accepted)])
                self.assertEqual(sorted(accepted), [0, 3] if status else [3, 3])
                self.assertEqual("differs" in out, status == 1, out)

    def test_a_line_of_the_log_says_of_which_run_it_is(self):
        for config in "", 'Log { File = "x.log" }':
            with self.subTest(config=config):
                status, _, err = self.run_to_end(
                    "print(RUN_INLINE and 'on the loop' or 'in a thread')",
                    config=config)
                self.assertEqual(status, 0, err)
                if config:
                    with open(self.path("x.log"), encoding="utf-8") as log:
                        err = log.read()
                self.assertRegex(
                    err, r"(?s)Z info \[pools\] lua: in a thread\n"
                         r".*Z info \[inline\] lua: on the loop\n")

    def test_a_run_that_is_killed_leaves_the_other(self):
        status, out, err = self.run_to_end(
            "if RUN_INLINE then os.execute('kill -KILL $PPID') end")
        self.assertEqual(status, 128 + signal.SIGKILL)
        self.assertIn('the run "inline" was ended by signal 9', err)
        pools, run_inline = self.report()
        self.assertIsNone(run_inline)
        self.assertEqual(row(out, "accepted"), ["1", "-"])
        self.assertEqual(row(out, "data"),
                         [in_words(pools["phases"]["data"]["p99_ns"]), "-"])

    def await_line(self, process, text):
        for line in process.stderr:
            if text in line:
                return
        self.fail(f"it ended without a line {text}")

    def test_a_signal_lets_the_first_run_end_and_none_follows(self):
        os.mkfifo(self.path("fifo"))
        policy = f"""
          print('begun')
          msys.core.io_wrapper_open('{self.path('fifo')}', msys.core.O_RDWR):read(1)
        """
        for send in (lambda p: p.terminate(),
                     lambda p: os.killpg(p.pid, signal.SIGINT)):
            with self.start(policy, start_new_session=True) as process:
                with open(self.path("fifo"), "r+b", buffering=0) as fifo:
                    self.await_line(process, "begun")
                    send(process)
                    self.await_line(process, "finishing the sessions")
                    fifo.write(b"x")
                    out, err = process.communicate()
            self.assertEqual(process.returncode, 1, err)
            self.assertIn("stopped before both runs were over", err)
            self.assertEqual(row(out, "accepted"), ["1", "-"])
            self.assertIsNone(self.report()[1])

    def test_when_it_is_killed_its_run_ends(self):
        os.mkfifo(self.path("fifo"))
        policy = f"""
          print('begun')
          msys.core.io_wrapper_open('{self.path('fifo')}', msys.core.O_RDWR):read(1)
        """
        with self.start(policy) as process:
            with open(self.path("fifo"), "r+b", buffering=0) as fifo:
                self.await_line(process, "begun")
                process.kill()
                self.await_line(process, "SIGTERM: finishing the sessions")
                fifo.write(b"x")
                process.communicate()  # until the run has closed its log

    def test_json_alone_on_standard_output(self):
        self.json = "-"
        status, out, err = self.run_to_end("")
        self.assertEqual(status, 0, err)
        both = json.loads(out)
        self.assertEqual(both["pools"]["sessions"]["accepted"], 1)
        self.assertEqual(both["inline"]["sessions"]["accepted"], 1)

    def test_a_report_that_cannot_be_written_is_bad(self):
        self.json = self.path("none/out.json")
        status, out, err = self.run_to_end("")
        self.assertEqual(status, 1)
        self.assertIn("cannot write", err)
        self.assertEqual(row(out, "accepted"), ["1", "1"])

    def test_what_keeps_it_from_starting_is_said_once(self):
        status, out, err = self.run_to_end("", config="Nonsense { }")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(err.count("\n"), 1, err)
        status, out, err = self.run_to_end("syntax error here")
        self.assertEqual((status, out), (3, ""))
        self.assertEqual(err.count("syntax error near"), 1, err)

    def test_options_that_exclude_one_another(self):
        status, out, err = self.run_to_end("", "--inline")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(err, "host-sim: --compare and --inline: --compare runs "
                              "both, leave out --inline\n")


if __name__ == "__main__":
    unittest.main(argv=["compare_test"])
