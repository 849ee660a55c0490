"""host-sim --trace and --report, from outside.

usage: trace_test.py HOST_SIM PLUGIN

Nothing here sleeps: what a run has come to is read from its log and its files.
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from trace_checker import Trace

HOST_SIM, PLUGIN = map(os.path.abspath, sys.argv[1:3])
TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

WAITS = """
local mod, core = {}, msys.core
function mod:validate_connect()
  msys.lock('l')
  msys.sleep(0.001)
  msys.runInPool('IO', function()
    msys.execute('true')
    msys.runInPool('CPU', function() end)
  end)
  msys.runInPool('IO', function() error('on purpose') end, true)
  msys.unlock('l')
  return core.VALIDATE_CONT
end
msys.registerModule('test', mod)
"""


class TraceTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="host-sim-trace-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        self.trace, self.json = self.path("t.json"), self.path("r.json")
        self.write("a.eml", "From: a@x.example\nTo: b@x.example, c@x.example\n"
                   "Subject: hi\n\nbody\n")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def config(self, policy, more=""):
        return self.write("host.conf", f"""
Plugin "runinpool" {{ Path = "{PLUGIN}" }}
ThreadPool "CPU" {{ Concurrency = 2 }}
EventLoop {{ Concurrency = 2 }}
Lua {{ Max_States = 3 Script "policy" {{ Source = "{policy}" }} }}
{more}
""")

    def run_host(self, policy, *options, sessions=1, trace=None, paths=True):
        return subprocess.run(
            [HOST_SIM, "--config", self.config(policy), "--json", self.json,
             "--trace", trace or self.trace, "--sessions", str(sessions),
             *options, *([self.path("a.eml")] if paths else [])],
            capture_output=True, text=True, timeout=100)

    def report(self):
        with open(self.json, encoding="utf-8") as file:
            return json.load(file)

    def serve(self, *options):
        self.write("p.lua", "msys.registerModule('t', {})")
        config = self.config("p.lua", 'Listener "smtp" { Address = '
                             '"127.0.0.1:0" Maildir = "mail" }')
        process = subprocess.Popen(
            [HOST_SIM, "--config", config, "--trace", self.trace, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while "smtp on" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        return process

    def test_the_mixed_policy_is_all_there(self):
        sessions = 150
        mixed = os.path.join(TOP, "lua", "examples", "mixed.lua")
        ran = self.run_host(mixed, sessions=sessions)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertNotIn("events were lost", ran.stderr)
        trace, report = Trace(self.trace), self.report()
        self.assertEqual(list(trace.faults())[:5], [])

        begun = collections.Counter(event["args"]["pool"]
                                    for event in trace.closures())
        for pool in report["pools"]:
            self.assertEqual(begun[pool["name"]], pool["invocations"],
                             pool["name"])
        failed = [event for event in trace.of("E")
                  if event.get("args", {}).get("outcome") == "failed"]
        self.assertEqual(len(failed),
                         sum(pool["failed"] for pool in report["pools"]))
        for event in trace.closures():
            self.assertRegex(event["name"], r"(^|/)mixed\.lua:\d+$")
        self.assertEqual(len(trace.of("s", "job")),
                         sum(pool["submitted"] for pool in report["pools"]))

        names = set(trace.threads.values())
        self.assertLessEqual({"loop 0", "loop 1", "CPU/1", "IO/1"}, names)
        begins = [event for event in trace.of("b", "session")]
        count = collections.Counter(event["name"] for event in begins)
        self.assertEqual(count["session"], sessions)
        for phase, times in report["phases"].items():
            self.assertEqual(count["validate_" + phase], times["count"], phase)
        self.assertTrue(trace.of("B", "completion"))

    def test_what_a_script_waits_for(self):
        self.write("waits.lua", WAITS)
        ran = self.run_host("waits.lua", sessions=20)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        trace = Trace(self.trace)
        self.assertEqual(list(trace.faults())[:5], [])
        waits = collections.Counter(
            event["args"]["for"] for event in trace.of("b")
            if event["name"] == "suspended")
        self.assertEqual(waits["sleep"], 20)
        self.assertEqual(waits["results"], 40)
        self.assertGreater(waits["lock"], 0)
        self.assertEqual(len(trace.of("B", "blocking")), 20)
        failed = [event for event in trace.of("E")
                  if event.get("args", {}).get("outcome") == "failed"]
        self.assertEqual(len(failed), 20)

    def test_inline_closures_are_the_loops(self):
        self.write("waits.lua", WAITS)
        ran = self.run_host("waits.lua", "--inline", sessions=5)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        trace = Trace(self.trace)
        self.assertEqual(list(trace.faults())[:5], [])
        self.assertLessEqual(set(trace.threads.values()), {"loop 0", "loop 1"})
        self.assertEqual(len(trace.closures()), 15)

    def test_a_name_may_be_anything_that_is_a_file(self):
        name = "a'</script><!-- \u20ac \u202e.lua"
        self.write(name, WAITS)
        ran = self.run_host(name, "--report", self.path("r.html"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        trace = Trace(self.trace)
        self.assertTrue(any(name in event["name"] for event in trace.closures()))
        with open(self.path("r.html"), encoding="utf-8") as file:
            page = file.read()
        data = re.search(r'<script type="application/json" id="data">(.*?)'
                         "</script>", page, re.S)
        closures = json.loads(data.group(1))["closures"]
        self.assertTrue(all(name in row["closure"] for row in closures))

    def test_a_server_that_is_stopped_leaves_a_whole_file(self):
        process = self.serve()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)
        trace = Trace(self.trace)
        self.assertEqual(list(trace.faults()), [])
        self.assertIn("loop 0", trace.threads.values())

    def test_a_server_that_is_killed_leaves_a_file_that_viewers_take(self):
        process = self.serve()
        while True:
            with open(self.trace, encoding="utf-8") as file:
                if "thread_name" in file.read():
                    break
        process.kill()
        process.wait()
        with open(self.trace, encoding="utf-8") as file:
            text = file.read()
        self.assertFalse(text.rstrip().endswith("]"))
        json.loads(text + "]")

    def test_a_full_disk(self):
        self.write("waits.lua", WAITS)
        ran = self.run_host("waits.lua", trace="/dev/full")
        self.assertEqual(ran.returncode, 1)
        lines = [line for line in ran.stderr.splitlines() if "/dev/full" in line]
        self.assertEqual(len(lines), 1, ran.stderr)
        self.assertIn("No space left on device", lines[0])
        self.assertEqual(self.report()["sessions"]["accepted"], 1)

        ran = self.run_host("waits.lua", "--report", "/dev/full")
        self.assertEqual(ran.returncode, 1)
        self.assertIn('cannot write the report "/dev/full": '
                      "No space left on device", ran.stderr)

    def test_a_file_that_cannot_be_written_is_said_before_the_run(self):
        self.write("waits.lua", WAITS)
        for option, what in (("--trace", "trace"), ("--report", "report")):
            nowhere = self.path("nowhere/file")
            ran = self.run_host("waits.lua", option, nowhere)
            self.assertEqual(ran.returncode, 2)
            self.assertEqual(ran.stderr,
                             f'host-sim: cannot write the {what} "{nowhere}": '
                             "No such file or directory\n")
            self.assertFalse(os.path.exists(self.json))

    def test_a_policy_that_does_not_load_leaves_whole_files(self):
        self.write("broken.lua", "error('broken')")
        ran = self.run_host("broken.lua")
        self.assertEqual(ran.returncode, 3)
        self.assertEqual(list(Trace(self.trace).faults()), [])

    def test_two_runs_do_not_share_a_file(self):
        self.write("waits.lua", WAITS)
        ran = self.run_host("waits.lua", "--compare")
        self.assertEqual(ran.returncode, 2)
        self.assertIn("--trace and --report are for one run", ran.stderr)


if __name__ == "__main__":
    unittest.main(argv=["trace_test"])
