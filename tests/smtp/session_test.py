"""One session at a time: replies, limits, bad clients, what the policy decides.

usage: session_test.py HOST_SIM PLUGIN
"""
import os
import smtplib
import unittest

from server import Server

LINE = b"x" * 70 + b"\r\n"


class SessionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(
            "Max_Recipients = 3 Max_Message_Size = \"64K\" Max_Errors = 5 "
            "Policy_Timeout = 1")

    @classmethod
    def tearDownClass(cls):
        try:
            assert cls.server.stop() == 0, "".join(cls.server.log)
        finally:
            cls.server.remove()

    def client(self):
        client = self.server.connect().greet()
        self.addCleanup(client.close)
        return client

    def smtplib(self):
        client = smtplib.SMTP("127.0.0.1", self.server.port, "me.test", 60)
        self.addCleanup(client.close)
        return client

    def send(self, client, text):
        client.begin_mail()
        return client.ask(text + b"\r\n.\r\n")

    def test_smtplib_sends_mail_and_it_is_stored_as_it_was(self):
        client = self.smtplib()
        text = (b"Subject: hi\r\n\r\n.dot\r\n..two\r\n.\r\n\xc3\xa4 8 bit\r\n"
                + LINE * 20)
        self.assertEqual(client.sendmail(
            "ann@one.test", ["bob@two.test", "cid@two.test"], text,
            ["BODY=8BITMIME"]), {})
        self.assertIn(text, self.server.mails())
        self.assertEqual(client.quit()[0], 221)
        self.assertEqual(os.listdir(self.server.maildir + "/tmp"), [])

    def test_ehlo_announces_what_there_is(self):
        client = self.smtplib()
        client.ehlo()
        self.assertEqual(
            client.esmtp_features,
            {"pipelining": "", "size": "65536", "8bitmime": "", "smtputf8": ""})
        client.sendmail("j\u00f6@one.test", ["b@two.test"], b"Subject: u\r\n",
                        ["SMTPUTF8", "BODY=8BITMIME"])

    def test_pipelining_keeps_the_order(self):
        client = self.client()
        client.send(b"MAIL FROM:<a@one.test>\r\nRCPT TO:<unknown@two.test>\r\n"
                    b"RCPT TO:<b@two.test>\r\nNOOP\r\nDATA\r\n")
        codes = [client.reply()[:3] for _ in range(5)]
        self.assertEqual(codes, ["250", "550", "250", "250", "354"])
        client.send(b"Subject: p\r\n\r\nx\r\n.\r\nRSET\r\nQUIT\r\n")
        self.assertEqual([client.reply()[:3] for _ in range(4)],
                         ["250", "250", "221", ""])

    def test_order_of_commands(self):
        client = self.server.connect()
        self.addCleanup(client.close)
        client.reply()
        client.expect(b"MAIL FROM:<a@b>\r\n", "503")
        client.expect(b"HELO me.test\r\n", "250 ")
        client.expect(b"RCPT TO:<a@b>\r\n", "503")
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        client.expect(b"MAIL FROM:<a@b>\r\n", "503")
        client.expect(b"DATA\r\n", "554")
        client.expect(b"VRFY bob\r\n", "252")
        client.expect(b"RSET\r\n", "250")
        client.expect(b"RCPT TO:<a@b>\r\n", "503")

    def test_commands_of_a_policy_have_no_sockets(self):
        client, other = self.client(), self.client()
        client.expect(b"MAIL FROM:<files@one.test>\r\n", "250 0 0 0")
        other.close()

    def test_rset_forgets_the_recipients(self):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        for _ in range(3):
            client.expect(b"RSET\r\n", "250")
            client.expect(b"MAIL FROM:<a@b>\r\n", "250")
            client.expect(b"RCPT TO:<x@b>\r\n", "250")
        client.expect(b"DATA\r\n", "354")
        client.expect(b"X-Test: count\r\n\r\n.\r\n", "250 1 recipients")

    def test_limits_have_their_codes(self):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b> SIZE=65537\r\n", "552")
        client.expect(b"MAIL FROM:<a@b> FOO=1\r\n", "555")
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        for name in (b"a", b"b", b"c"):
            client.expect(b"RCPT TO:<%s@b>\r\n" % name, "250")
        client.expect(b"RCPT TO:<d@b>\r\n", "452")
        client.expect(b"DATA\r\n", "354")
        client.expect(LINE * 1000 + b".\r\n", "552")
        self.assertTrue(self.send(client, b"y" * 2000).startswith("554"))
        self.assertTrue(self.send(client, b"a\r\n\r\nb").startswith("250"))
        client.expect(b"NOOP " + b"x" * 600 + b"\r\n", "500")

    def test_a_line_of_1_mib_is_refused_and_the_session_goes_on(self):
        client = self.client()
        client.expect(b"x" * (1 << 20) + b"\r\n", "500")
        client.expect(b"NOOP\r\n", "250")

    def test_too_many_errors_end_the_session(self):
        client = self.client()
        for _ in range(5):
            client.expect(b"FOO\r\n", "500")
        client.expect(b"FOO\r\n", "421")
        self.assertEqual(client.reply(), "")

    def test_binary_noise_and_bare_line_feeds(self):
        client = self.client()
        client.expect(b"\x00\xff\x80\r\x01\n", "500")
        client.expect(b"NOOP\n", "500")
        client.expect(b"NOOP\r\n", "250")

    def test_nothing_is_smuggled(self):
        before = len(self.server.mails())
        for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"):
            client = self.client()
            inner = (b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\n"
                     b"DATA\r\nsmuggled")
            reply = self.send(client, b"Subject: s\r\n\r\nx" + end + inner)
            self.assertTrue(reply.startswith("554"), (end, reply))
            client.expect(b"NOOP\r\n", "250")
        self.assertEqual(len(self.server.mails()), before)

    def test_text_after_a_refused_data_is_not_taken_for_commands(self):
        client = self.client()
        client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<unknown@b>\r\nDATA\r\n"
                    b"MAIL FROM:<evil@b>\r\n.\r\n")
        self.assertEqual([client.reply()[:3] for _ in range(4)],
                         ["250", "550", "554", ""])

    def test_the_policy_decides_replies(self):
        client = self.client()
        self.assertEqual(client.ask(b"MAIL FROM:<reject@b>\r\n"),
                         "550-not\r\n550 you\r\n")
        client.expect(b"MAIL FROM:<later@b>\r\n", "450 come back")
        before = len(self.server.mails())
        self.assertTrue(self.send(client, b"X-Test: reject\r\n\r\n")
                        .startswith("554 no thanks"))
        self.assertTrue(self.send(client, b"X-Test: discard\r\n\r\n")
                        .startswith("250"))
        self.assertEqual(len(self.server.mails()), before)
        self.assertTrue(self.send(client, b"X-Test: change\r\n\r\nbody")
                        .startswith("250"))
        self.assertTrue(any(b"X-Changed: yes" in mail
                            for mail in self.server.mails()))
        client.expect(b"MAIL FROM:<bye@b>\r\n", "421 no more")
        self.assertEqual(client.reply(), "")

    def test_a_broken_policy_costs_that_command_a_451(self):
        client = self.client()
        client.expect(b"MAIL FROM:<broken@b>\r\n", "451")
        client.expect(b"MAIL FROM:<fine@b>\r\n", "250")

    def test_smtputf8_is_for_the_mail_that_asked_for_it(self):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b> SMTPUTF8\r\n", "250")
        client.expect(b"RCPT TO:<j\xc3\xb6@b>\r\n", "250")
        client.expect(b"RSET\r\n", "250")
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        client.expect(b"RCPT TO:<j\xc3\xb6@b>\r\n", "553")

    def test_no_policy_is_asked_about_what_was_discarded_before(self):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        client.expect(b"RCPT TO:<drop@b>\r\n", "250")
        client.expect(b"DATA\r\n", "354")
        client.expect(b"X-Test: reject\r\n\r\n.\r\n", "250 OK\r\n")

    def test_half_closed_and_vanishing_clients(self):
        before = len(self.server.mails())
        gone = self.client().begin_mail()
        gone.send(b"Subject: half")
        gone.close()
        half = self.client()
        half.send(b"NOOP\r\nNO")
        half.socket.shutdown(1)
        self.assertTrue(half.reply().startswith("250"))
        self.assertEqual(half.reply(), "")
        self.assertEqual(len(self.server.mails()), before)


if __name__ == "__main__":
    unittest.main(argv=["session_test"])
