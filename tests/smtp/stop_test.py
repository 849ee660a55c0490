"""Stopping, killing, many connections.

usage: stop_test.py HOST_SIM PLUGIN
"""
import json
import os
import resource
import select
import signal
import socket
import struct
import time
import unittest

from server import POLICY, Server


class StopTest(unittest.TestCase):
    def start(self, *args, **keys):
        server = Server(*args, **keys)
        self.addCleanup(server.remove)
        return server

    def test_a_mail_under_way_is_finished_an_idle_client_is_not_waited_for(self):
        server = self.start(shutdown=50)
        idle, busy = server.connect().greet(), server.connect().greet()
        busy.begin_mail().send(b"Subject: late\r\n\r\n")
        server.signal()
        self.assertTrue(idle.reply().startswith("421"))
        self.assertEqual(idle.reply(), "")
        self.assertTrue(busy.ask(b"body\r\n.\r\n").startswith("250"))
        self.assertTrue(busy.reply().startswith("421"))
        idle.close()
        busy.close()
        self.assertEqual(server.wait(), 0, "".join(server.log))
        self.assertEqual(len(server.mails()), 1)

    def test_after_the_deadline_a_mail_is_cut_and_the_status_says_so(self):
        server = self.start(shutdown=1)
        client = server.connect().greet().begin_mail()
        server.signal()
        self.assertTrue(client.reply().startswith("421"))
        client.close()
        self.assertEqual(server.wait(), 1)
        self.assertEqual(server.mails(), [])
        self.assertIn("SMTP sessions cut off, each with a mail or a command under way: 1\n",
                      "".join(server.log))

    def test_one_deadline_for_all_that_is_still_to_end(self):
        server = self.start(shutdown=5)
        client = server.connect().greet()
        client.send(b"MAIL FROM:<linger@one.test>\r\n")
        server.await_log("lingers")
        begin = time.monotonic()
        server.signal()
        self.assertEqual(server.wait(), 1)
        self.assertLess(time.monotonic() - begin, 10, "".join(server.log))
        client.close()

    def test_a_second_signal_ends_it_at_once(self):
        server = self.start(shutdown=500)
        idle = server.connect().greet()
        client = server.connect().greet().begin_mail()
        server.signal()
        # The sign that the first signal has been taken.
        self.assertTrue(idle.reply().startswith("421"))
        server.signal()
        self.assertEqual(server.wait(), 128 + signal.SIGTERM)
        idle.close()
        client.close()

    def test_a_mail_that_was_accepted_survives_kill_9(self):
        server = self.start()
        client = server.connect().greet().begin_mail()
        self.assertTrue(client.ask(b"kept\r\n.\r\n").startswith("250"))
        server.signal(signal.SIGKILL)
        server.wait()
        client.close()
        self.assertEqual(server.mails(), [b"kept\r\n"])

    def test_500_idle_clients_and_one_more_than_allowed(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (hard if 0 < hard < 4096 else 4096, hard))
        server = self.start("Max_Connections = 501")
        idle = [server.connect() for _ in range(500)]
        for client in idle:
            self.assertTrue(client.reply().startswith("220"))
        client = server.connect().greet().begin_mail()
        self.assertTrue(client.ask(b"served\r\n.\r\n").startswith("250"))
        refused = server.connect()
        self.assertTrue(refused.reply().startswith("421"))
        self.assertEqual(server.stop(), 0, "".join(server.log))
        for one in idle + [client, refused]:
            one.close()

    def test_refused_clients_are_in_the_log_and_in_the_report(self):
        server = self.start("Max_Connections = 3")
        served = [server.connect().greet() for _ in range(3)]
        refused = [server.connect() for _ in range(6)]
        for client in refused:
            self.assertTrue(client.reply().startswith("421"))
        self.assertEqual(server.stop(), 0, "".join(server.log))
        report = server.process.stdout.read()
        self.assertIn("Clients refused: 6 for too many connections, 0 ", report)
        self.assertIn("\nConnections at once: up to 3; Lua states: ", report)
        # The first at once, the rest together: 10 seconds later, or at the end.
        lines = [line for line in server.log if "clients refused: " in line]
        self.assertIn("warning listener: clients refused: 1: too many "
                      "connections\n", lines[0])
        self.assertEqual(sum(int(line.split()[5][:-1]) for line in lines), 6)
        self.assertLess(len(lines), 6)
        for client in served + refused:
            client.close()

    def test_a_client_that_sends_byte_by_byte_is_timed_out_no_later(self):
        server = self.start("Timeout = 1")
        client = server.connect().greet()
        begin = time.monotonic()
        while not select.select([client.socket], [], [], 0.2)[0]:
            client.send(b"N")
            self.assertLess(time.monotonic() - begin, 20)
        self.assertTrue(client.reply().startswith("421"))
        client.close()
        self.assertEqual(server.stop(), 0)

    def test_how_sessions_ended_is_in_the_report(self):
        policy = POLICY.replace("function mod:validate_mailfrom", """
function mod:validate_connect(ac, vctx)
  local n = tonumber(ac.conn_id, 16)
  if n == 0 then vctx:disconnect(554, 'no') end
  if n == 1 then vctx:set_code(554, 'no') end
  if n == 2 then vctx:set_code(451, 'no') end
  return C
end
function mod:validate_mailfrom""")
        server = self.start("Max_Connections = 7", policy=policy, options=("--json", "-"))
        for code in ("554", "554", "451"):
            client = server.connect()
            self.assertTrue(client.reply().startswith(code))
            self.assertEqual(client.reply(), "")
            client.close()
        server.connect().greet().begin_mail().close()  # in the middle of a mail
        server.connect().greet().close()  # between mails
        client = server.connect().greet()
        client.ask(b"MAIL FROM:<a@b>\r\n")
        client.close()  # before DATA
        self.assertEqual(server.stop(), 0, "".join(server.log))
        report = json.load(server.process.stdout)
        self.assertEqual(report["concurrency"], 7)
        sessions = report["sessions"]
        self.assertEqual([sessions[name] for name in
                          ("disconnected", "rejected", "tempfailed", "cancelled", "no_mail")],
                         [1, 1, 1, 2, 1])

    def test_an_error_that_a_mail_follows_is_not_how_its_session_ended(self):
        policy = POLICY.replace("function mod:validate_mailfrom", """
function mod:validate_ehlo(name) assert(name ~= 'bad') return C end
function mod:validate_mailfrom""", 1)
        server = self.start(policy=policy, options=("--json", "-"))
        client = server.connect()
        client.reply()
        self.assertTrue(client.ask(b"EHLO bad\r\n").startswith("451"))
        self.assertTrue(client.ask(b"HELO good\r\n").startswith("250"))
        client.begin_mail()
        self.assertTrue(client.ask(b"body\r\n.\r\n").startswith("250"))
        client.close()
        self.assertEqual(server.stop(), 0, "".join(server.log))
        sessions = json.load(server.process.stdout)["sessions"]
        self.assertEqual((sessions["accepted"], sessions["errors"]), (1, 0))

    def test_what_is_stored_counts_as_accepted_though_its_client_is_gone(self):
        server = self.start(options=("--json", "-"))
        for _ in range(100):
            client = server.connect().greet().begin_mail()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            client.send(b"x\r\n.\r\n")
            client.close()  # with a reset
        self.assertEqual(server.stop(), 0, "".join(server.log))
        sessions = json.load(server.process.stdout)["sessions"]
        self.assertEqual(sessions["accepted"], len(server.mails()))
        self.assertEqual(sessions["accepted"] + sessions["cancelled"], 100)

    def test_a_client_that_waits_for_the_end_after_quit_gets_it_at_once(self):
        server = self.start()
        begin = time.monotonic()
        for _ in range(10):
            client = server.connect().greet()
            self.assertTrue(client.ask(b"QUIT\r\n").startswith("221"))
            self.assertEqual(client.reply(), "")
            client.close()
        self.assertLess(time.monotonic() - begin, 10)  # not 2 s each
        self.assertEqual(server.stop(), 0)

    def test_of_what_a_client_sends_ahead_little_is_kept(self):
        server = self.start()
        client = server.connect().greet()
        client.send(b"MAIL FROM:<linger@one.test>\r\n")
        server.await_log("lingers")
        client.socket.setblocking(False)
        sent, more = 0, b"NOOP\r\n" * 10000
        while sent < 100 << 20 and select.select([], [client.socket], [], 1)[1]:
            sent += client.socket.send(more)
        self.assertLess(sent, 50 << 20)  # what the kernel takes, and 64 K
        client.close()
        server.signal()

    def test_when_descriptors_are_free_again_clients_are_taken_again(self):
        server = self.start()
        with server.without_descriptors() as allowed:
            client = server.connect()
            server.await_log("error listener: cannot accept: Too many open files: the "
                             f"process may have {allowed} files and sockets open "
                             "(LimitNOFILE, ulimit -n); clients wait until sessions end")
        client.greet().close()
        self.assertEqual(server.stop(), 0, "".join(server.log))
        self.assertEqual(sum("cannot accept" in line for line in server.log), 1)

    def test_fewer_descriptors_than_clients_are_said_at_the_start(self):
        server = self.start("Max_Connections = 100000")
        server.stop()
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        said = any("warning listener: Max_Connections = 100000, but the process may have "
                   f"{allowed} files and sockets open" in line for line in server.log)
        self.assertEqual(said, allowed < 100016)

    def test_refused_clients_are_in_the_log_again_after_ten_seconds(self):
        server = self.start("Max_Connections = 1")
        served = server.connect().greet()
        for _ in range(3):
            refused = server.connect()
            self.assertTrue(refused.reply().startswith("421"))
            refused.close()
        server.await_log("clients refused: 1: too many")
        server.await_log("clients refused: 2: too many")
        served.close()
        self.assertEqual(server.stop(), 0, "".join(server.log))

    def test_a_silent_client_is_timed_out(self):
        server = self.start("Timeout = 1")
        client = server.connect().greet()
        client.send(b"NOO")
        self.assertTrue(client.reply().startswith("421"))
        self.assertEqual(client.reply(), "")
        client.close()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=["stop_test"])
