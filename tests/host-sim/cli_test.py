"""host-sim from the command line: its options, its status, its one clear line.

usage: cli_test.py HOST_SIM PLUGIN NO_ENTRY_PLUGIN
"""
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

HOST_SIM, PLUGIN, NO_ENTRY = (os.path.abspath(name) for name in sys.argv[1:4])
DONE, FAILED, USAGE, SETUP = range(4)
MAIL = "From: ann@one.test\nTo: bob@two.test\n\nhello\n"
POLICY = """
local mod = {}
function mod:validate_data(msg, ac, vctx)
  local ok = msys.runInPool("IO", function() print("in the pool") end)
  return ok and msys.core.VALIDATE_CONT
end
msys.registerModule("policy", mod)
"""


class CliTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("a.eml", MAIL)
        self.configure()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def configure(self, policy=POLICY, plugin=PLUGIN, more="", shutdown=1):
        self.write("policy.lua", policy)
        self.write("host.conf", 'Plugin "p" { Path = "%s" }\nShutdown_Timeout = %d\n'
                   'Lua { Max_States = 1  Script "policy" { Source = "policy.lua" } }\n%s'
                   % (plugin, shutdown, more))

    def start(self, *words):
        return subprocess.Popen([HOST_SIM, *words], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_host(self, *words):
        """Status, output, errors."""
        host = self.start(*words)
        out, errors = host.communicate(timeout=100)
        return host.returncode, out, errors

    def replay(self, *words):
        return self.run_host("--config", "host.conf", *words, "a.eml")

    def expect_one_line(self, ran, status, pattern):
        self.assertEqual(ran[0], status, ran)
        self.assertEqual(ran[1], "")
        self.assertRegex(ran[2], r"^[^\n]*" + pattern + r"[^\n]*\n$")

    def test_check_config(self):
        ran = self.run_host("--check-config", "--config", "host.conf")
        self.assertEqual(ran[0], DONE, ran)
        self.assertRegex(ran[1], r"^host.conf: OK \(plugin \d+\.\d+\.\d+, 0 thread pools "
                         r"configured, 1 scripts compiled\)\n$")
        self.assertEqual(ran[2], "", "nothing has run")

    def test_check_config_leaves_nothing_behind(self):
        self.configure(more='Log { File = "log" }\n')
        self.assertEqual(self.run_host("--check-config", "--config", "host.conf")[0], DONE)
        self.assertNotIn("log", os.listdir(self.folder))
        for wrong, why in (("none/log", "No such file or directory"), (".", "Is a directory")):
            self.configure(more=f'Log {{ File = "{wrong}" }}\n')
            self.expect_one_line(self.run_host("--check-config", "--config", "host.conf"), USAGE,
                                 "cannot open the log file .*" + why)

    def test_what_is_said_to_nobody_is_a_failure(self):
        for words in (("--help",), ("--version",), ("--check-config", "--config", "host.conf")):
            with open("/dev/full", "w") as full:
                host = subprocess.run([HOST_SIM, *words], cwd=self.folder, stdout=full,
                                      timeout=100, check=False)
            self.assertEqual(host.returncode, FAILED, words)

    def test_a_policy_may_begin_as_lua_files_do(self):
        for begin in ("#!/usr/bin/lua\n", "\ufeff", "\ufeff#!/usr/bin/lua\n"):
            self.configure(begin + POLICY)
            self.assertEqual(self.replay()[0], DONE)
        self.configure("\x1bLua")
        self.expect_one_line(self.replay(), SETUP, 'script "policy": "[^"]*policy.lua" is '
                             'compiled Lua; its source is wanted')

    def test_check_config_of_a_wrong_one(self):
        def check():
            return self.run_host("--check-config", "--config", "host.conf")
        self.configure(more='ThreadPool "x" { Concurency = 2 }\n')
        self.expect_one_line(check(), USAGE, "^host.conf:4: no such option 'Concurency'")
        self.configure(more='ThreadPool "x" { Concurrency = 5000 }\n')
        self.expect_one_line(check(), USAGE, "host.conf:4: Concurrency = 5000 is out of range")
        self.configure(policy="this is no Lua")
        self.expect_one_line(check(), SETUP, 'script "policy": policy.lua:1: syntax error')
        os.remove(os.path.join(self.folder, "policy.lua"))
        self.expect_one_line(check(), SETUP, 'script "policy": cannot read')
        os.remove(os.path.join(self.folder, "host.conf"))
        self.expect_one_line(check(), USAGE, "host.conf: cannot read the configuration")

    def test_a_plugin_that_is_none(self):
        for plugin, pattern in (("/nowhere/p.so", "/nowhere/p.so"),
                                (os.path.join(self.folder, "a.eml"), "a.eml"),
                                (NO_ENTRY, "msys_plugin_entry")):
            self.configure(plugin=plugin)
            self.expect_one_line(self.replay(), SETUP, pattern)

    def test_wrong_command_lines(self):
        for words, pattern in (((), "no configuration given"),
                               (("--config",), "--config: needs a value"),
                               (("--bogus",), "--bogus: no such option"),
                               (("--sessions", "0"), "--sessions 0: a number from 1"),
                               (("--sessions", "1e3"), "--sessions 1e3"),
                               (("--concurrency", "-1"), "--concurrency -1"),
                               (("--control", "socket"), "no command given"),
                               (("--config", ""), "--config: its value is empty"),
                               (("a", "b", "--report", ""), "--report: its value is empty"),
                               (("a", "--bogus"), "--bogus: no such option"),
                               (("a", "--control", "socket", "help"),
                                "a stands before --control"),
                               (("--config", "c", "--json", "r", "--trace", "r", "a.eml"),
                                '--json and --trace are both "r"')):
            self.expect_one_line(self.run_host(*words), USAGE, pattern)

    def test_help_and_version(self):
        status, out, errors = self.run_host("--help")
        self.assertEqual((status, errors), (DONE, ""))
        for option in ("--config", "--check-config", "--sessions", "--concurrency", "--json",
                       "--control", "--version", "--help"):
            self.assertIn(option, out)
        status, out, _ = self.run_host("--version")
        self.assertEqual(status, DONE)
        self.assertRegex(out, r"^host-sim \d+\.\d+\.\d+\n$")

    def test_no_mail(self):
        config = ("--config", "host.conf")
        self.expect_one_line(self.run_host(*config), USAGE, "no mail given")
        for option in ("--sessions", "--concurrency"):
            self.expect_one_line(self.run_host(*config, option, "5"), USAGE,
                                 option + " is for mail to replay: give it a PATH")
        status, _, errors = self.run_host(*config, "nowhere")
        self.assertEqual(status, USAGE)
        self.assertIn("nowhere", errors)
        self.assertIn("no message in the given paths\n", errors)
        os.mkdir(os.path.join(self.folder, "folder"))
        self.write("folder/a.msg", MAIL)
        status, _, errors = self.run_host(*config, "folder")
        self.assertEqual(status, USAGE)
        self.assertIn("no mail in folder: of a directory, files named *.eml and *.mbox are "
                      "taken, and Maildirs\n", errors)
        self.write("folder/B.EML", MAIL)
        self.assertEqual(self.run_host(*config, "folder")[0], DONE)

    def test_of_two_paths_one_that_cannot_be_read(self):
        status, out, errors = self.replay("nowhere")
        self.assertEqual(status, FAILED)
        self.assertIn("skipping nowhere: No such file or directory\n", errors)
        self.assertRegex(out, "^Sessions: 1 in ")

    def test_sessions_and_json(self):
        status, out, errors = self.replay("--sessions", "25", "--concurrency", "3", "--json",
                                          "report.json")
        self.assertEqual(status, DONE, errors)
        self.assertEqual(errors.count("lua: in the pool\n"), 25)
        self.assertRegex(out, r"^Sessions: 25 in ")
        self.assertIn("sessions in flight: up to 3;", out)
        self.assertIn("\nIO thread pool: concurrency 50\n    Total invocations: 25\n", out)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertEqual(report["sessions"]["accepted"], 25)
        pools = {pool["name"]: pool for pool in report["pools"]}
        self.assertEqual(pools["IO"]["invocations"], 25)
        self.assertEqual(report["phases"]["data"]["count"], 25)

    def test_json_on_standard_output(self):
        status, out, _ = self.replay("--json", "-")
        self.assertEqual(status, DONE)
        self.assertEqual(json.loads(out)["sessions"]["accepted"], 1)

    def test_a_report_that_cannot_be_written(self):
        status, _, errors = self.replay("--json", "/nowhere/report.json")
        self.assertEqual(status, FAILED)
        self.assertIn('host-sim: cannot write the report to "/nowhere/report.json": '
                      'No such file or directory\n', errors)
        for more in ((), ("--json", "-")):
            with open("/dev/full", "w") as full:
                host = subprocess.run([HOST_SIM, "--config", "host.conf", *more, "a.eml"],
                                      cwd=self.folder, text=True, stdout=full,
                                      stderr=subprocess.PIPE, timeout=100, check=False)
            self.assertEqual(host.returncode, FAILED)
            self.assertIn("host-sim: cannot write the report to standard output: "
                          "No space left on device\n", host.stderr)

    def test_a_log_that_cannot_grow(self):
        self.configure(more='Log { File = "log" }\n')
        host = subprocess.run(
            [HOST_SIM, "--config", "host.conf", "a.eml"], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5)))
        self.assertEqual(host.returncode, DONE, host)
        self.assertEqual(os.path.getsize(os.path.join(self.folder, "log")), 5)

    def test_a_log_that_nobody_reads(self):
        host = self.start("--config", "host.conf", "a.eml")
        host.stderr.close()
        host.stderr = None
        self.assertIn("accepted", host.communicate(timeout=100)[0])
        self.assertEqual(host.returncode, DONE)

    def test_a_hangup_before_there_is_a_configuration(self):
        with open(os.path.join(self.folder, "host.conf")) as file:
            conf = file.read()
        os.mkfifo(os.path.join(self.folder, "late.conf"))
        host = self.start("--config", "late.conf", "a.eml")
        with open(os.path.join(self.folder, "late.conf"), "w") as late:
            host.send_signal(signal.SIGHUP)
            late.write(conf)
        host.communicate(timeout=100)
        self.assertEqual(host.returncode, DONE)

    def test_a_policy_that_fails(self):
        self.configure("error('at load')")
        status, _, errors = self.replay()
        self.assertEqual(status, SETUP)
        self.assertRegex(errors, r" error policy: .*policy.lua:1: at load\n")
        self.assertTrue(errors.endswith("host-sim: the policy cannot be loaded\n"))
        self.configure("msys.core.VALIDATE_CONT = 'x' " + POLICY)
        status, _, errors = self.replay()
        self.assertEqual(status, SETUP)
        self.assertIn("msys.core.VALIDATE_CONT is not an integer but string", errors)
        self.configure(POLICY.replace("return ok and", "return not ok and"))
        status, out, errors = self.replay()
        self.assertEqual(status, FAILED)
        self.assertRegex(out, r"tempfailed +1  \(1 by an error of the policy\)\n")
        self.assertIn("validate_data: returned a boolean;", errors)

    def test_warnings_of_a_policy_are_logged(self):
        self.configure("warn('@on') warn('careful') setmetatable({}, {__gc = function() "
                       "error('in a finaliser') end}) collectgarbage()" + POLICY)
        status, _, errors = self.replay()
        self.assertEqual(status, DONE, errors)
        self.assertIn(" warning lua: careful\n", errors)
        self.assertIn("in a finaliser", errors)

    def test_os_exit_in_a_closure(self):
        self.configure(POLICY.replace('print("in the pool")', "os.exit(9, true)"))
        self.assertEqual(self.replay()[0], 9)

    def wait_for(self, host, text):
        read = ""
        while text not in read:
            line = host.stderr.readline()
            self.assertNotEqual(line, "", read)
            read += line
        return read

    def test_a_closure_that_never_ends(self):
        self.configure(POLICY.replace('print("in the pool")',
                                      'print("in the pool") while true do end'))
        host = self.start("--config", "host.conf", "a.eml")
        self.wait_for(host, "in the pool")
        host.send_signal(signal.SIGTERM)
        out, errors = host.communicate(timeout=60)
        self.assertEqual(host.returncode, FAILED, errors)
        self.assertIn("SIGTERM: finishing the sessions in flight, for 1 s at most", errors)
        self.assertRegex(errors, r"error stop: IO: policy.lua:4 of state lua/0 still runs, "
                         r"for \d+\.\d+ s\n")
        self.assertIn("Not everything drained before the deadline.", out)

    def test_a_session_that_is_cancelled_is_a_failure(self):
        self.configure(POLICY.replace('"in the pool") end)',
                                      '"in the pool") end) print("on the loop") msys.sleep(3600)'))
        host = self.start("--config", "host.conf", "a.eml")
        self.wait_for(host, "on the loop")
        host.send_signal(signal.SIGTERM)
        out, errors = host.communicate(timeout=60)
        self.assertRegex(out, r"cancelled +1\n")
        self.assertNotIn("Not everything drained", out)
        self.assertEqual(host.returncode, FAILED, errors)

    def test_a_dealloc_that_never_ends_is_cancelled_at_last(self):
        self.configure("""
local mod = {}
function mod:validate_dealloc() print("at the end") msys.sleep(3600) end
msys.registerModule("policy", mod)
""")
        host = self.start("--config", "host.conf", "a.eml")
        self.wait_for(host, "at the end")
        host.send_signal(signal.SIGTERM)
        out, errors = host.communicate(timeout=60)
        self.assertNotIn("sessions did not end when cancelled", errors)
        self.assertNotIn("UNACCOUNTED", out)
        self.assertNotIn("Not everything drained", out)

    def test_closures_that_outlast_their_session_are_waited_for(self):
        policy = POLICY.replace('msys.runInPool("IO", function() print("in the pool") end)',
                                'msys.runInPool("IO", function() msys.sleep(%s) print("late") '
                                'end, function() end)')
        self.configure(policy % 0.3)
        status, _, errors = self.replay()
        self.assertEqual(status, DONE, errors)
        self.assertIn("lua: late\n", errors)
        self.configure(policy % 3600)
        status, out, errors = self.replay()
        self.assertEqual(status, FAILED, errors)
        self.assertIn("error host: 1 jobs are still not done after 1 s\n", errors)
        self.assertIn("Not everything drained before the deadline.", out)

    def test_each_hangup_reads_the_configuration_again(self):
        self.configure(POLICY.replace('print("in the pool")',
                                      'print("in the pool") msys.sleep(3600)'))
        host = self.start("--config", "host.conf", "a.eml")
        self.wait_for(host, "in the pool")
        for _ in range(3):
            host.send_signal(signal.SIGHUP)
            self.wait_for(host, "notice config: host.conf is applied")
        host.send_signal(signal.SIGTERM)
        host.communicate(timeout=60)
        self.assertEqual(host.returncode, FAILED, "a session was cancelled")

    def test_a_report_that_cannot_grow(self):
        host = subprocess.run(
            [HOST_SIM, "--config", "host.conf", "--json", "out.json", "a.eml"],
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=100, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5)))
        self.assertEqual(host.returncode, FAILED, host)
        self.assertIn('host-sim: cannot write the report to "out.json": File too large\n',
                      host.stderr)

    def test_a_report_that_nobody_reads(self):
        host = self.start("--config", "host.conf", "a.eml")
        host.stdout.close()
        host.stdout = None
        _, errors = host.communicate(timeout=100)
        self.assertEqual(host.returncode, FAILED, errors)
        self.assertIn("host-sim: cannot write the report to standard output: Broken pipe\n",
                      errors)

    def test_a_pool_whose_jobs_were_all_cancelled_is_in_the_report(self):
        self.configure("""
local mod = {}
function mod:validate_data()
  local _, job = msys.runInPool("work", function() end, function() end)
  assert(job:cancel())
  return msys.core.VALIDATE_CONT
end
msys.registerModule("policy", mod)
""", more='ThreadPool "work" { Concurrency = 1 }\n')
        status, out, errors = self.replay()
        self.assertEqual(status, DONE, errors)
        self.assertIn("\nwork thread pool: concurrency 1\n    Total invocations: 0\n", out)
        self.assertIn("    Failed: 0, cancelled: 1, refused: 0, parked: 0\n", out)
        self.assertNotIn("IO thread pool", out, "nobody has used it")

    def test_the_first_line_of_a_policy_may_be_for_the_shell(self):
        self.configure("#!/usr/bin/env lua\nerror('at load')")
        status, _, errors = self.replay()
        self.assertEqual(status, SETUP)
        self.assertIn(" error policy: script policy: policy.lua:2: at load\n", errors)

    def test_a_signal_while_the_policy_is_loaded(self):
        self.configure("print('loading') msys.sleep(3600)")
        host = self.start("--config", "host.conf", "a.eml")
        self.wait_for(host, "loading")
        host.send_signal(signal.SIGTERM)
        out, errors = host.communicate(timeout=60)
        self.assertEqual((host.returncode, out), (FAILED, ""), errors)

    def test_commands_have_their_status_whoever_ignored_sigchld(self):
        self.configure(POLICY.replace('print("in the pool")',
                                      'print("status", select(2, msys.execute("exit 3")))'))
        host = subprocess.Popen(
            [HOST_SIM, "--config", "host.conf", "a.eml"], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertRegex(host.communicate(timeout=60)[1], r"status\t3\n")

    def test_a_second_signal_waits_for_no_reader_of_stderr(self):
        self.configure(POLICY.replace('print("in the pool")',
                                      'print("in the pool") msys.sleep(3600)'),
                       more='Log { File = "log" }\n', shutdown=3600)
        log = os.path.join(self.folder, "log")
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        host = subprocess.Popen([HOST_SIM, "--config", "host.conf", "a.eml"],
                                cwd=self.folder, stdout=subprocess.DEVNULL, stderr=writer)

        def await_log(text):
            while not os.path.exists(log) or text not in open(log).read():
                self.assertIsNone(host.poll())
        await_log("in the pool")
        host.send_signal(signal.SIGTERM)
        await_log("SIGTERM: finishing")
        host.send_signal(signal.SIGTERM)
        self.assertEqual(host.wait(60), 128 + signal.SIGTERM)
        os.close(reader)
        os.close(writer)

    def test_a_second_signal_ends_it_at_once(self):
        self.configure(POLICY.replace('print("in the pool")',
                                      'print("in the pool") msys.sleep(3600)'),
                       shutdown=3600)
        for second in (signal.SIGTERM, signal.SIGINT):
            host = self.start("--config", "host.conf", "a.eml")
            self.wait_for(host, "in the pool")
            host.send_signal(signal.SIGINT)
            self.wait_for(host, "SIGINT: finishing")
            host.send_signal(second)
            _, errors = host.communicate(timeout=60)
            self.assertEqual(host.returncode, 128 + second)
            self.assertIn("host-sim: second signal, exiting at once\n", errors)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
