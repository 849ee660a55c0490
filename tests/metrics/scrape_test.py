"""The figures on the page are those of the run.

usage: scrape_test.py HOST_SIM PLUGIN
"""
import json
import math
import os
import smtplib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error

from exposition import Page
from pages import METRICS, address_in, fetch, fetch_when
from server import Server

HOST_SIM, PLUGIN = map(os.path.abspath, sys.argv[1:3])
LOOPS = "EventLoop { Concurrency = 2 Idle_Poll = 10000 }"

# Of each session two jobs fail, one is cancelled and three are done; the first
# waits at its end for a byte of the test.  The sleep lets more than one session be
# in flight.
WAITING = """
local mod, C = {}, msys.core.VALIDATE_CONT
local FIFO = '%s'
function mod:validate_connect(ac)
  self.waits = tonumber(ac.conn_id, 16) == 0
  return C
end
function mod:validate_data(msg)
  for _ = 1, 3 do assert(msys.runInPool('work', function() end)) end
  for _ = 1, 2 do msys.runInPool('work', function() error('as told') end) end
  local _, late = msys.runInPool('work', function() end, function() end)
  assert(late:cancel())
  msys.sleep(0.02)
  return C
end
function mod:validate_dealloc()
  if not self.waits then return end
  msys.runInPool('IO', function()
    msys.core.io_wrapper_open(FIFO, msys.core.O_RDWR):read(1)
  end)
end
msys.registerModule('waiting', mod)
"""


def idle(page):
    """No session, no job: what counts has come to rest."""
    return page.value("hostsim_sessions") == 0 and not any(
        page.families["msys_pool_jobs"].samples.values())


class Compared(unittest.TestCase):
    """A page and the JSON report of the same run."""

    def same(self, page, report):
        outcomes = ("accepted", "rejected", "tempfailed", "disconnected",
                    "discarded", "cancelled", "no_mail")
        sessions = report["sessions"]
        for name in outcomes:
            self.assertEqual(
                page.value("hostsim_sessions_ended_total", outcome=name),
                sessions[name], name)
        self.assertEqual(page.value("hostsim_sessions_started_total"),
                         sessions["started"])
        for reason, count in report["refused"].items():
            self.assertEqual(
                page.value("hostsim_connections_refused_total", reason=reason),
                count, reason)
        self.assertEqual(page.value("hostsim_session_errors_total"),
                         sessions["errors"])
        self.assertEqual(page.value("hostsim_accept_failures_total"), 0)
        self.times(page, "hostsim_session_seconds", report["session_time"])
        for phase, times in report["phases"].items():
            self.times(page, "hostsim_phase_seconds", times, phase=phase)
        self.assertEqual(page.value("hostsim_lua_states"), report["states"])
        for pool in report["pools"]:
            self.pool(page, pool)
        for loop in report["loops"]:
            label = str(loop["index"])
            # These go on while nothing happens.
            self.assertLessEqual(
                page.value("hostsim_loop_longest_holdup_seconds", loop=label),
                loop["longest_holdup_ns"] / 1e9)
            self.assertLessEqual(
                page.value("hostsim_loop_timer_lateness_seconds_count",
                           loop=label), loop["timer_lateness"]["count"])

    def looked(self, page):
        return sum(page.families["hostsim_loop_idle_poll_seconds_total"].samples.values())

    def pool(self, page, pool):
        name = pool["name"]
        for key, metric in (("submitted", "jobs_submitted_total"),
                            ("invocations", "jobs_started_total"),
                            ("parked", "jobs_parked_total"),
                            ("concurrency", "concurrency"),
                            ("backlog", "backlog_limit")):
            self.assertEqual(page.value("msys_pool_" + metric, pool=name),
                             pool[key], (name, key))
        for kind in "done", "failed", "cancelled", "refused":
            self.assertEqual(
                page.value("msys_pool_jobs_ended_total", pool=name, outcome=kind),
                pool[kind], (name, kind))
        self.times(page, "msys_pool_wait_seconds", pool["wait"], pool=name)
        self.times(page, "msys_pool_run_seconds", pool["run"], pool=name)

    def times(self, page, name, report, **labels):
        count = report["count"]
        self.assertEqual(page.value(name + "_count", **labels), count)
        self.assertAlmostEqual(page.value(name + "_sum", **labels),
                               report["sum_ns"] / 1e9, 9)
        if count == 0:
            return
        # The bucket that holds the p99 must hold the report's.
        wanted, low = math.ceil(0.99 * count), 0
        for bound, cumulative in page.buckets(name, **labels):
            if cumulative >= wanted:
                self.assertLess(low, report["p99_ns"] / 1e9 + 1e-9, (name, labels))
                self.assertLessEqual(report["p99_ns"] / 1e9, bound, (name, labels))
                break
            low = bound


class ListenerTest(Compared):
    def test_a_page_of_a_server_at_rest_is_its_report(self):
        report = os.path.join(tempfile.mkdtemp(), "out.json")
        server = Server("Max_Connections = 5", top=METRICS,
                        options=("--json", report))
        self.addCleanup(server.remove)
        url = address_in(server.log)
        fresh = fetch(url)
        self.assertEqual(fresh.value("hostsim_sessions_started_total"), 0)
        self.assertEqual(fresh.value("msys_pool_concurrency", pool="IO"), 50)
        for sender in ["ann", "reject", "later", "broken", "bye"] + ["bob"] * 7:
            with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
                try:
                    client.sendmail(sender + "@one.test", "you@two.test",
                                    "Subject: s\r\n\r\nbody\r\n")
                except smtplib.SMTPException:
                    pass
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            self.assertEqual(client.ehlo()[0], 250)
            held = fetch_when(url, lambda p: p.value("hostsim_sessions") == 1)
            self.assertEqual(held.value("hostsim_sessions_started_total"), 13)
            others = [server.connect() for _ in range(7)]
            for client in others[:4]:
                client.greet()
            for client in others[4:]:
                self.assertTrue(client.reply().startswith("421"))
            for client in others:
                client.close()
        page = fetch_when(url, idle)
        self.assertEqual(server.stop(), 0, "".join(server.log))
        with open(report, encoding="utf-8") as file:
            figures = json.load(file)
        self.assertEqual(figures["sessions"]["started"], 17)
        self.assertEqual(figures["refused"],
                         {"too_many_connections": 3, "no_policy": 0})
        # Those that only said EHLO sent no mail.
        self.assertEqual(figures["sessions"]["accepted"], 8)
        self.assertEqual(figures["sessions"]["no_mail"], 5)
        self.assertGreater(figures["sessions"]["errors"], 0)
        self.same(page, figures)
        self.assertEqual(self.looked(page), 0)
        with self.assertRaises(urllib.error.URLError):
            fetch(url)

    def test_clients_that_no_descriptor_is_left_for_are_counted(self):
        server = Server(top=METRICS)
        self.addCleanup(server.remove)
        with server.without_descriptors():
            client = server.connect()
            server.await_log("cannot accept: Too many open files")
        client.greet().close()
        page = fetch_when(address_in(server.log), idle)
        self.assertGreater(page.value("hostsim_accept_failures_total"), 0)
        self.assertEqual(page.value("hostsim_sessions_started_total"), 1)
        self.assertEqual(server.stop(), 0, "".join(server.log))


class ReplayTest(Compared):
    def start(self, policy, config, sessions, concurrency):
        directory = tempfile.TemporaryDirectory(prefix="host-sim-metrics-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        os.mkfifo(self.path("fifo"))
        self.fifo = open(self.path("fifo"), "r+b", buffering=0)
        self.addCleanup(self.fifo.close)
        self.write("policy.lua", policy % self.path("fifo"))
        self.write("a.eml", "From: a@x.example\nTo: b@x.example\n\nbody\n")
        self.write("host.conf", f"""
Plugin "runinpool" {{ Path = "{PLUGIN}" }}
ThreadPool "work" {{ Concurrency = 2 }}
Lua {{ Max_States = 8 Script "policy" {{ Source = "policy.lua" }} }}
{METRICS}
{config}
""")
        log = open(self.path("err"), "wb")
        self.addCleanup(log.close)
        self.process = subprocess.Popen(
            [HOST_SIM, "--config", self.path("host.conf"), "--json",
             self.path("out.json"), "--sessions", str(sessions), "--concurrency",
             str(concurrency), self.path("a.eml")],
            stdout=subprocess.DEVNULL, stderr=log)
        self.addCleanup(self.end)
        while True:  # until it says where, or is gone
            try:
                return address_in(self.err())
            except StopIteration:
                self.assertIsNone(self.process.poll(), self.err())

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def release(self):
        self.fifo.write(b"x")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)

    def err(self):
        with open(self.path("err"), encoding="utf-8", errors="replace") as file:
            return file.readlines()

    def report(self):
        with open(self.path("out.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_jobs_under_way_and_ended(self):
        url = self.start(WAITING, LOOPS, 21, 21)

        def only_one_is_left(page):
            return page.value("hostsim_sessions_ended_total",
                              outcome="accepted") == 20 and page.value(
                "msys_pool_jobs", pool="IO", state="running") == 1
        page = fetch_when(url, only_one_is_left)
        self.assertEqual(page.value("hostsim_sessions"), 1)
        self.assertEqual(page.value("msys_pool_threads_active", pool="IO"), 1)
        self.assertEqual(page.value("msys_pool_threads", pool="IO"), 1)
        self.assertEqual(
            page.value("msys_pool_jobs_started_total", pool="IO"), 1)
        self.release()
        self.assertEqual(self.process.wait(), 0, self.err())
        report = self.report()
        work = next(p for p in report["pools"] if p["name"] == "work")
        self.assertEqual([work[key] for key in (
            "submitted", "done", "failed", "cancelled", "invocations")],
                         [126, 63, 42, 21, 105])
        self.assertGreater(self.looked(page), 0)
        self.pool(page, work)
        for phase, times in report["phases"].items():
            if phase != "dealloc":
                self.times(page, "hostsim_phase_seconds", times, phase=phase)

    def test_a_closure_on_the_loop_is_on_no_thread_of_its_pool(self):
        url = self.start(WAITING, LOOPS + ' ThreadPool "IO" { Concurrency = 0 }', 1, 1)
        page = fetch_when(url, lambda p: p.value(
            "msys_pool_jobs", pool="IO", state="running") == 1)
        for name in "threads", "threads_active", "concurrency":
            self.assertEqual(page.value("msys_pool_" + name, pool="IO"), 0, name)
        self.release()
        self.assertEqual(self.process.wait(), 0, self.err())

    def test_pages_read_while_mail_flows_never_go_back(self):
        pages, errors = [[] for _ in range(4)], []

        def scrape(mine):
            try:
                while True:
                    mine.append(fetch(url))
            except OSError:
                pass  # it has ended, or is ending
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

        url = self.start(WAITING, LOOPS, 600, 60)
        threads = [threading.Thread(target=scrape, args=(mine,))
                   for mine in pages]
        for thread in threads:
            thread.start()
        # While the others flow, and perhaps when only the first is left.
        while any(len(mine) < 10 for mine in pages) and not errors:
            self.assertIsNone(self.process.poll(), self.err())
        self.release()
        for thread in threads:
            thread.join()
        self.assertEqual(self.process.wait(), 0, self.err()[-20:])
        self.assertEqual(errors, [])
        report = self.report()
        for mine in pages:
            self.assertGreaterEqual(len(mine), 10)
            for before, after in zip(mine, mine[1:]):
                later = dict(after.counters())
                for key, value in before.counters():
                    if "latencies" not in key[0]:
                        self.assertLessEqual(value, later[key], key)
            last = mine[-1]
            for pool in report["pools"]:
                self.assertLessEqual(
                    last.value("msys_pool_jobs_submitted_total",
                               pool=pool["name"]), pool["submitted"])
            self.assertLessEqual(last.value("hostsim_sessions_started_total"), 600)


if __name__ == "__main__":
    unittest.main(argv=["scrape_test"])
