"""How long a client waits for a policy: while it computes, while its state is
made, and when the client has nothing more to say.

usage: patience_test.py HOST_SIM PLUGIN
"""
import json
import unittest

from server import Server

# What is busy computes in a thread, with its Lua state, until the test makes
# the file of that name.
POLICY = """
local mod = {}
local function busy(name)
  msys.runInPool('CPU', function()
    repeat local file = io.open(DIR .. '/' .. name) until file
  end)
end
function mod:validate_data(msg)
  local what = msg:header('X-Busy')[1]
  if what then busy(what) end
  return msys.core.VALIDATE_CONT
end
msys.registerModule('test', mod)
"""

# The first state is ready at once; the others wait for the file.
INIT = """
local mod = {}
function mod:init()
  local first = io.open(DIR .. '/first')
  if not first then return io.open(DIR .. '/first', 'w'):close() end
  print('is made')
  repeat msys.sleep(0.01) local file = io.open(DIR .. '/open') until file
end
msys.registerModule('test', mod)
"""


class PatienceTest(unittest.TestCase):
    def start(self, *args, **keys):
        server = Server(*args, options=("--json", "-"), **keys)
        self.addCleanup(server.remove)
        return server

    def connect(self, server):
        client = server.connect()
        self.addCleanup(client.close)
        return client

    def report(self, server):
        """Stops it, and returns what it came to."""
        self.assertEqual(server.stop(), 0, "".join(server.log))
        return json.load(server.process.stdout)

    def test_a_policy_that_computes_too_long_ends_the_session_at_once(self):
        server = self.start("Policy_Timeout = 1", policy=POLICY, states=1)
        mail = self.connect(server).greet().begin_mail()
        # The closure goes on, and the commands after the mail are not answered.
        mail.send(b"X-Busy: open\r\n\r\n.\r\nNOOP\r\nNOOP\r\n")
        self.assertTrue(mail.reply().startswith("421"))
        self.assertEqual(mail.reply(), "")
        # Nor can the state greet another client meanwhile.
        greeted = self.connect(server)
        self.assertTrue(greeted.reply().startswith("421"))
        self.assertEqual(greeted.reply(), "")
        server.write("open", "")
        after = self.connect(server).greet().begin_mail()
        self.assertTrue(after.ask(b"kept\r\n.\r\n").startswith("250"))
        self.assertTrue(after.ask(b"QUIT\r\n").startswith("221"))
        sessions = self.report(server)["sessions"]
        self.assertEqual(server.mails(), [b"kept\r\n"])
        self.assertEqual((sessions["tempfailed"], sessions["errors"],
                          sessions["accepted"], sessions["ended"]),
                         (2, 2, 1, 3))

    def late(self, server):
        return [line.split("warning ")[-1] for line in server.log
                if "has not ended after" in line]

    def test_a_state_that_is_not_ready_in_time_costs_its_clients_a_421(self):
        server = self.start("Policy_Timeout = 1", policy=INIT, states=2)
        self.connect(server).greet()
        waiting = self.connect(server)
        self.assertTrue(waiting.reply().startswith("421"))
        self.assertEqual(waiting.reply(), "")
        # The state is late: the one that is ready serves all.
        for _ in range(4):
            self.connect(server).greet()
        server.write("open", "")
        sessions = self.report(server)["sessions"]
        self.assertEqual((sessions["tempfailed"], sessions["errors"]), (1, 1))
        self.assertEqual(self.late(server), [
            "policy: lua/1: init of module test has not ended after 1 s\n"])

    def test_a_state_that_could_not_be_made_serves_nobody(self):
        server = self.start(policy=INIT.replace("print('is made')", "error('no luck')"),
                            states=2)
        self.connect(server).greet()
        unlucky = self.connect(server)
        self.assertTrue(unlucky.reply().startswith("421"))
        self.assertEqual(unlucky.reply(), "")
        for _ in range(4):  # all by the state that is ready
            self.connect(server).greet()
        sessions = self.report(server)["sessions"]
        self.assertEqual((sessions["tempfailed"], sessions["errors"]), (1, 1))

    def test_at_a_stop_a_client_that_waits_for_its_state_is_not_waited_for(self):
        server = self.start(policy=INIT, states=2, shutdown=50)
        self.connect(server).greet()
        waiting = self.connect(server)
        server.await_log("is made")
        server.signal()
        self.assertTrue(waiting.reply().startswith("421"))
        self.assertEqual(waiting.reply(), "")
        server.write("open", "")
        self.assertEqual(server.wait(), 0, "".join(server.log))

    def test_a_first_state_that_is_not_ready_in_time_is_in_the_log(self):
        def seen(server, line):
            if "has not ended after" in line:
                server.write("open", "")
        policy = INIT.replace("if not first", "if false")
        server = self.start("Policy_Timeout = 1", policy=policy, seen=seen)
        self.connect(server).greet()
        self.report(server)
        self.assertIn("policy: lua/0: init of module test has not ended after "
                      "1 s\n", self.late(server))

    def test_an_init_that_keeps_the_loop_is_in_the_log(self):
        policy = """
local mod = {}
function mod:init()
  local begin = os.time()
  repeat until os.time() - begin >= 2
end
msys.registerModule('test', mod)
"""
        server = self.start("Policy_Timeout = 1", policy=policy, states=1)
        self.connect(server).greet()
        self.report(server)
        self.assertRegex("".join(server.log),
                         "warning policy: lua/0 is ready after [12] s\n")

    def test_a_policy_that_keeps_the_loop_is_in_the_log(self):
        policy = """
local mod = {}
function mod:validate_ehlo()
  repeat local file = io.open(DIR .. '/go on') until file
  return msys.core.VALIDATE_CONT
end
msys.registerModule('test', mod)
"""
        server = self.start("Policy_Timeout = 1", policy=policy, loops=1)
        client = self.connect(server)
        self.assertTrue(client.reply().startswith("220"))
        client.send(b"EHLO me.test\r\n")
        server.await_log("warning host: event loop 0 has been busy with one thing for 5 s: ")
        server.write("go on", "")
        server.await_log(" s and could not be cancelled: the event loop was busy")
        self.assertTrue(client.reply().startswith("250"))
        self.assertEqual(sum("has been busy" in line for line in server.log), 1)

    def test_a_dealloc_that_does_not_end_is_cancelled(self):
        policy = """
local mod = {}
function mod:validate_dealloc() msys.sleep(3600) end
msys.registerModule('test', mod)
"""
        server = self.start("Policy_Timeout = 1", policy=policy, shutdown=3600)
        client = self.connect(server).greet()
        self.assertTrue(client.ask(b"QUIT\r\n").startswith("221"))
        self.assertEqual(self.report(server)["sessions"]["ended"], 1)

    def test_a_client_that_has_closed_its_side_is_answered(self):
        server = self.start(policy=POLICY, loops=1)
        half, other = self.connect(server).greet(), self.connect(server).greet()
        half.begin_mail().send(b"X-Busy: open\r\n\r\nkept\r\n.\r\n")
        half.socket.shutdown(1)
        # A later answer of the same loop: it has seen the end by then.
        for _ in range(2):
            self.assertTrue(other.ask(b"NOOP\r\n").startswith("250"))
        server.write("open", "")
        self.assertTrue(half.reply().startswith("250"))
        self.assertEqual(half.reply(), "")
        sessions = self.report(server)["sessions"]
        self.assertEqual((sessions["accepted"], sessions["cancelled"]), (1, 0))
        self.assertEqual(server.mails(), [b"X-Busy: open\r\n\r\nkept\r\n"])


if __name__ == "__main__":
    unittest.main(argv=["patience_test"])
