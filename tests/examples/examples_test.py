"""The example policies, on the shipped mail: each does what it says.

usage: examples_test.py HOST_SIM PLUGIN EXAMPLES SESSIONS CORPUS...
"""
import email
import email.policy
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

HOST_SIM, PLUGIN, EXAMPLES = (os.path.abspath(name) for name in sys.argv[1:4])
SESSIONS = int(sys.argv[4])
CORPUS = [os.path.abspath(name) for name in sys.argv[5:]]
MAILS = sorted(name for folder in CORPUS for name in glob.glob(folder + "/*.eml"))

# What an example leaves to the phases after it.
SHOW = """
local mod = {}
function mod:validate_data_spool(msg)
  print("X-Attachments", msg:header("X-Attachments")[1])
  return msys.core.VALIDATE_CONT
end
msys.registerModule("show", mod)
"""


class ExamplesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_host(self, names, *words, plugin="", more="", mails=None):
        """Runs examples; every session must be accepted.  Lines, report."""
        scripts = {name: "%s/%s.lua" % (EXAMPLES, name) for name in names}
        if "show" in scripts:
            scripts["show"] = self.write("show.lua", SHOW)
        config = self.write(
            "host.conf", 'Plugin "p" { Path = "%s" %s }\n%s\nLua {\n%s\n}\n' % (
                PLUGIN, plugin, more, "\n".join('Script "%s" { Source = "%s" }' % item
                                                for item in scripts.items())))
        report = os.path.join(self.folder, "report.json")
        ran = subprocess.run(
            [HOST_SIM, "--config", config, "--json", report, *words, *(mails or MAILS)],
            capture_output=True, text=True, errors="replace", timeout=500,
            env=dict(os.environ,
                     TEXT_LOGGER_FILE=os.path.join(self.folder, "mail.log")))
        self.assertEqual(ran.returncode, 0, ran.stdout[-3000:] + ran.stderr[-3000:])
        with open(report) as file:
            figures = json.load(file)
        sessions = figures["sessions"]
        self.assertEqual(sessions["accepted"], sessions["started"])
        self.assertEqual(sessions["errors"], 0)
        self.assertTrue(figures["drained"])
        self.assertEqual(re.findall(r"(?m)^\S+ (?:error|warning) .*", ran.stderr)[:3], [])
        return ran.stderr, figures

    def pools(self, figures):
        return {pool["name"]: pool for pool in figures["pools"]}

    def assert_one_for_each_mail(self, pattern, text):
        found = re.findall(pattern, text)
        self.assertEqual(len(found), len(MAILS), pattern)
        self.assertEqual(len(set(found)), len(MAILS), pattern)

    def test_there_is_mail(self):
        self.assertGreaterEqual(len(MAILS), 30)

    def test_every_example_has_a_test(self):
        known = {re.sub("^test_", "", name) for name in dir(self)}
        for path in glob.glob(EXAMPLES + "/*.lua"):
            self.assertIn(os.path.basename(path)[:-4], known)

    def test_manual_async(self):
        log, _ = self.run_host(["manual_async"])
        self.assert_one_for_each_mail(r"lua: asynchronous closure\t(\S+)\n", log)

    def test_manual_completion(self):
        log, _ = self.run_host(["manual_completion"])
        self.assert_one_for_each_mail(r"lua: completion function\t(\S+)\t\d+\n", log)

    def test_manual_completion_sched(self):
        for returns in ("job", "results"):
            log, _ = self.run_host(["manual_completion_sched"],
                                   plugin='Completion_Returns = "%s"' % returns)
            self.assert_one_for_each_mail(
                r"lua: completed in the scheduler\t(\S+)\tdone\t\d+\n", log)

    def test_manual_pcall(self):
        log, figures = self.run_host(["manual_pcall"])
        self.assertEqual(log.count("lua: doing heavy lifting\n"), 2 * len(MAILS))
        pools = self.pools(figures)
        self.assertEqual(pools["IO"]["invocations"], 3 * len(MAILS))
        self.assertEqual(pools["IO"]["failed"], len(MAILS))
        self.assertEqual(pools["CPU"]["done"], len(MAILS))

    def test_manual_sharing(self):
        log, _ = self.run_host(["manual_sharing"])
        for line in ("CPU\tin cpu\tnil", "CB\tcb data spool\tnil", "CB\tcb completing\t42"):
            self.assertEqual(log.count("lua: %s\n" % line), len(MAILS), line)

    def test_attachment_hasher(self):
        for path in MAILS:
            if not re.search("(big-)?attachment-(base64|64k|1m)", path):
                continue
            with open(path, "rb") as file:
                mail = email.message_from_binary_file(file, policy=email.policy.default)
            hashes = [hashlib.sha256(part.get_payload(decode=True)).hexdigest()
                      for part in mail.walk() if part.get_filename()]
            self.assertGreater(len(hashes), 0)
            log, _ = self.run_host(["attachment_hasher", "show"], mails=[path])
            self.assertIn("X-Attachments\t%d; %s\n" % (len(hashes), ", ".join(hashes)), log)
        log, figures = self.run_host(["attachment_hasher", "show"])
        self.assertEqual(len(re.findall(r"X-Attachments\t\d+", log)), len(MAILS))
        self.assertEqual(self.pools(figures)["CPU"]["done"], len(MAILS))

    def test_text_logger(self):
        _, figures = self.run_host(["text_logger"],
                                   more='ThreadPool "Logger" { Concurrency = 1 }')
        with open(os.path.join(self.folder, "mail.log"), encoding="latin-1", newline="\n") as file:
            lines = file.readlines()
        self.assertEqual(len(lines), len(MAILS))
        for line in lines:
            self.assertRegex(line, r"^[-\d]+T[:\d]+Z [0-9a-f]{16} [.\d]+:\d+ from=<.*> "
                             r"rcpts=\d+ size=\d+ subject=.*\n$")
        self.assertEqual(self.pools(figures)["Logger"]["done"], len(MAILS))

    def test_mixed(self):
        _, figures = self.run_host(["mixed"], "--sessions", str(SESSIONS),
                                   "--concurrency", "200")
        self.assertEqual(figures["sessions"]["accepted"], SESSIONS)
        for pool in figures["pools"]:
            self.assertEqual(pool["submitted"], pool["done"] + pool["failed"], pool["name"])

    def test_all_at_once(self):
        names = [os.path.basename(path)[:-4] for path in glob.glob(EXAMPLES + "/*.lua")]
        _, figures = self.run_host(names, "--concurrency", "20",
                                   more='EventLoop { Concurrency = 2 }\n'
                                   'ThreadPool "Logger" { Concurrency = 1 }')
        self.assertEqual(len(figures["loops"]), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
