"""The progress bar: on a terminal, and only there.

usage: progress_test.py HOST_SIM PLUGIN
"""
import os
import pty
import re
import subprocess
import sys
import tempfile
import unittest

HOST_SIM, PLUGIN = (os.path.abspath(name) for name in sys.argv[1:3])
SESSIONS = 300
MAIL = "From: ann@one.test\nTo: bob@two.test\n\nhello\n"
# Slow enough for several drawings; one line of log in the middle.
POLICY = """
local mod = {}
function mod:validate_data(msg, ac, vctx)
  if tonumber(ac.conn_id, 16) == 100 then print("a line of the log") end
  msys.sleep(0.01)
  return msys.core.VALIDATE_CONT
end
msys.registerModule("slow", mod)
"""
CONFIG = """
Plugin "runinpool" { Path = "%s" }
Lua { Max_States = 1  Script "slow" { Source = "slow.lua" } }
""" % PLUGIN
ERASE = "\r\033[K"


class ProgressTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, text in (("host.conf", CONFIG), ("slow.lua", POLICY),
                           ("a.eml", MAIL)):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text)

    def start(self, stderr):
        return subprocess.Popen(
            [HOST_SIM, "--config", "host.conf", "--sessions", str(SESSIONS),
             "--concurrency", "5", "a.eml"], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=stderr, text=True)

    def test_a_terminal_shows_how_far_it_is(self):
        ours, theirs = pty.openpty()
        host = self.start(theirs)
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        report = host.communicate(timeout=60)[0]
        self.assertEqual(host.returncode, 0, shown)
        self.assertRegex(report, r"\baccepted +%d\n" % SESSIONS)
        self.assertNotIn("[", report, "the bar is not for the report")

        text = shown.decode().replace("\r\n", "\n")
        lines = re.findall(r"\[(#*)(\.*)\] (\d+)/%d sessions, \d+ per second"
                           % SESSIONS, text)
        self.assertGreater(len(lines), 3, text)
        counts = [int(count) for _, _, count in lines]
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[-1], counts[0])
        for full, rest, count in lines:
            self.assertEqual(len(full), 30 * int(count) // SESSIONS)
            self.assertEqual(len(full) + len(rest), 30)
        self.assertTrue(text.endswith(ERASE), "it is left behind")
        # A line of the log takes the bar's place, and the bar comes below it.
        self.assertRegex(text, re.escape(ERASE) +
                         r"[^\r\n]* info lua: a line of the log\n\[")

    def test_elsewhere_there_is_none(self):
        host = self.start(subprocess.PIPE)
        _, errors = host.communicate(timeout=60)
        self.assertEqual(host.returncode, 0, errors)
        self.assertIn("a line of the log", errors)
        self.assertNotIn("sessions, ", errors)
        self.assertNotIn("\033", errors)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
