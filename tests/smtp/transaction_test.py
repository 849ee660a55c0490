"""What belongs to one mail, and to one recipient of it: what ends it, who is refused,
what the client is told.

usage: transaction_test.py HOST_SIM PLUGIN
"""
import json
import os
import shutil
import unittest

from server import Server

POLICY = """
local mod = {}
local C = msys.core.VALIDATE_CONT
function mod:validate_ehlo(name, ac, vctx)
  if name:find('^spam') then vctx:set_code(550, 'not you') end
  if name:find('^echo') then vctx:set_code(250, 'hello ' .. name) end
  return C
end
function mod:validate_mailfrom(address, ac, vctx)
  if address:find('^away') then vctx:disconnect(550, 'go away') end
  if address:find('^both') then vctx:set_code(250, 'the first module') end
  return C
end
function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
  local code = msg:rcptto():match('^(%d+)')
  if code then vctx:set_code(tonumber(code), 'says ' .. msg:rcptto()) end
  local dropped = msg:rcptto():match('drop%-(.*)')
  if dropped then vctx:remove_recipient(dropped) end
  msg:header('X-For', table.concat(vctx:recipient_list(), ' '))
  return C
end
msys.registerModule('first', mod)

-- Each module has its say; dealloc of one that fails keeps none from its own.
local second = {}
function second:validate_mailfrom(address, ac, vctx)
  if address:find('^both') then vctx:set_code(250, 'the second module') end
  if address:find('^away') then print('asked again') end
  return C
end
function second:validate_dealloc() error('broken') end
msys.registerModule('second', second)
local third = {}
function third:validate_dealloc() print('third is over') end
msys.registerModule('third', third)
"""


class TransactionTest(unittest.TestCase):
    def setUp(self):
        self.server = Server("Max_Message_Size = \"64K\"", policy=POLICY,
                             options=("--json", "-"))
        self.addCleanup(self.server.remove)

    def client(self):
        client = self.server.connect().greet()
        self.addCleanup(client.close)
        return client

    def send(self, recipients, text=b"Subject: s\r\n\r\nbody"):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")
        for recipient in recipients:
            client.expect(b"RCPT TO:<%s@b>\r\n" % recipient, "250")
        client.expect(b"DATA\r\n", "354")
        reply = client.ask(text + b"\r\n.\r\n")
        client.expect(b"QUIT\r\n", "221")
        return reply

    def report(self):
        self.assertEqual(self.server.stop(), 0, "".join(self.server.log))
        return json.load(self.server.process.stdout)

    def test_a_greeting_ends_the_mail_under_way(self):
        client = self.client()
        for greeting in (b"EHLO me.test\r\n", b"HELO me.test\r\n"):
            client.expect(b"MAIL FROM:<a@b>\r\n", "250")
            client.expect(greeting, "250")
            client.expect(b"RCPT TO:<a@b>\r\n", "503")

    def test_the_policy_sees_the_greeting_and_may_refuse_it(self):
        client = self.server.connect()
        self.addCleanup(client.close)
        client.reply()
        client.expect(b"EHLO spam.test\r\n", "550 not you")
        client.expect(b"MAIL FROM:<a@b>\r\n", "503")
        client.expect(b"EHLO echo.test\r\n", "250-mx.test hello echo.test")
        client.expect(b"MAIL FROM:<a@b>\r\n", "250")

    def test_what_the_policy_says_to_a_client_that_comes(self):
        server = Server(policy="""
local mod = {}
function mod:validate_connect(ac, vctx)
  vctx:set_code(220, 'at your service')
  return msys.core.VALIDATE_CONT
end
msys.registerModule('test', mod)
""")
        self.addCleanup(server.remove)
        client = server.connect()
        self.addCleanup(client.close)
        self.assertEqual(client.reply(), "220 mx.test at your service\r\n")

    def test_each_mail_begins_alike(self):
        server = Server(policy="""
local mod, core = {}, msys.core
function mod:validate_connect(ac, vctx)
  vctx:set(core.VCTX_CONN, 'k', 'conn')
  vctx:set(core.VCTX_MESS, 'k', 'mess')
  vctx:add_recipient('early@x')
  return core.VALIDATE_CONT
end
mod.validate_ehlo = function(self, name, ac, vctx) return mod.validate_connect(self, ac, vctx) end
function mod:validate_rcptto(msg, address, ac, vctx)
  vctx:set_code(250, ('%s %s %d'):format(vctx:get(core.VCTX_CONN, 'k'),
                vctx:get(core.VCTX_MESS, 'k'), #vctx:recipient_list()))
  vctx:set(core.VCTX_MESS, 'k', 'mess')
  return core.VALIDATE_CONT
end
msys.registerModule('test', mod)
""")
        self.addCleanup(server.remove)
        client = server.connect().greet()
        self.addCleanup(client.close)
        for between in (b"NOOP\r\n", b"RSET\r\n", b"EHLO again\r\n", b"RSET\r\n"):
            client.expect(between, "250")
            client.expect(b"MAIL FROM:<a@b>\r\n", "250")
            client.expect(b"RCPT TO:<c@d>\r\n", "250 conn nil 0")
            client.expect(b"RCPT TO:<e@f>\r\n", "250 conn mess 1")
            client.expect(b"RSET\r\n", "250")

    def test_what_was_discarded_is_not_the_next_mail(self):
        server = Server()
        self.addCleanup(server.remove)
        client = server.connect().greet()
        self.addCleanup(client.close)
        for number, between in enumerate((b"EHLO again\r\n", b"HELO again\r\n",
                                          b"RSET\r\n", b"NOOP\r\n")):
            client.begin_mail().expect(b"X-Test: discard\r\n\r\n.\r\n", "250")
            client.expect(between, "250")
            client.begin_mail().expect(b"mail %d\r\n.\r\n" % number, "250")
            # Or its recipients were seen, and it was given up.
            client.expect(b"MAIL FROM:<a@b>\r\n", "250")
            client.expect(b"RCPT TO:<drop@b>\r\n", "250")
            client.expect(between if number < 3 else b"RSET\r\n", "250")
            client.begin_mail().expect(b"more %d\r\n.\r\n" % number, "250")
        self.assertEqual(sorted(server.mails()),
                         sorted(b"%s %d\r\n" % (what, number)
                                for what in (b"mail", b"more") for number in range(4)))

    def test_a_mail_may_be_as_big_as_said(self):
        client = self.client()
        client.expect(b"MAIL FROM:<a@b> SIZE=65536\r\n", "250")
        client.expect(b"RSET\r\n", "250")
        client.expect(b"MAIL FROM:<a@b> SIZE=65537\r\n", "552")

    def test_a_client_that_does_not_stop_is_cut(self):
        client = self.client().begin_mail()
        try:
            for _ in range(100):
                client.send(b"x" * 998 + b"\r\n" + b"y" * 60000 + b"\r\n")
        except OSError:
            pass  # it has been
        try:
            self.assertTrue(client.reply().startswith("552"))
        except ConnectionError:
            pass  # with what it had not read yet
        self.assertEqual(self.report()["sessions"]["rejected"], 1)

    def test_a_mail_that_would_cost_too_much_is_refused(self):
        client = self.server.connect().greet().begin_mail()
        groups = b"To: " + b"\r\n\t".join([b"a:" * 100] * 11)
        self.assertEqual(client.ask(groups + b"\r\n\r\ntext\r\n.\r\n"),
                         "554 the mail has more than 1000 colons in a field of addresses\r\n")
        client.close()
        self.assertEqual(self.report()["sessions"]["rejected"], 1)

    def test_recipients_that_are_refused_are_left_out(self):
        reply = self.send([b"ann", b"550bob", b"cid"])
        self.assertTrue(reply.startswith("250"), reply)
        self.assertIn(b"X-For: ann@b cid@b", self.server.mails()[0])
        self.assertEqual(self.report()["sessions"]["accepted"], 1)

    def test_when_all_are_refused_the_mail_is_and_tried_again_if_that_helps(self):
        self.assertEqual(self.send([b"550ann", b"451bob", b"554cid"]),
                         "451 says 451bob@b\r\n")
        self.assertEqual(self.send([b"554ann", b"550bob"]), "550 says 550bob@b\r\n")
        # Of two, the other was removed before it was asked about.
        self.assertEqual(self.send([b"550drop-bob", b"bob"]),
                         "550 says 550drop-bob@b\r\n")
        self.assertEqual(self.server.mails(), [])
        sessions = self.report()["sessions"]
        self.assertEqual((sessions["tempfailed"], sessions["rejected"],
                          sessions["accepted"]), (1, 2, 0))

    def test_a_changed_header_leaves_the_rest_as_it_came(self):
        text = (b"Subject:  s \r\nno field\r\n"
                b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                b"--b\r\n\r\none\r\n--b--\r\nepilogue")
        self.assertTrue(self.send([b"ann"], text).startswith("250"))
        self.assertEqual(self.server.mails(), [text.replace(
            b"no field\r\n", b"X-For: ann@b\r\nno field\r\n") + b"\r\n"])

    def test_a_maildir_that_is_gone_costs_a_451(self):
        shutil.rmtree(os.path.join(self.server.maildir, "tmp"))
        self.assertEqual(self.send([b"ann"]),
                         "451 cannot store the message, try again later\r\n")
        self.server.await_log("error maildir: ")
        sessions = self.report()["sessions"]
        self.assertEqual((sessions["tempfailed"], sessions["accepted"]), (1, 0))

    def test_outcomes(self):
        away = self.client()
        away.expect(b"MAIL FROM:<away@b>\r\n", "550 go away")
        self.assertEqual(away.reply(), "")
        # Gone in the middle of a mail, and after one.
        self.client().begin_mail().close()
        client = self.client()
        client.begin_mail().expect(b"Subject: s\r\n\r\n.\r\n", "250")
        client.close()
        sessions = self.report()["sessions"]
        self.assertEqual((sessions["disconnected"], sessions["cancelled"],
                          sessions["accepted"], sessions["ended"]), (1, 1, 1, 3))

    def test_the_last_module_that_says_something_decides(self):
        client = self.client()
        client.expect(b"MAIL FROM:<both@b>\r\n", "250 the second module")
        client.expect(b"RSET\r\n", "250")
        # But none is asked about a client that is to be gone.
        client.expect(b"MAIL FROM:<away@b>\r\n", "550")
        self.report()
        self.assertNotIn("asked again", "".join(self.server.log))

    def test_every_module_has_its_dealloc(self):
        self.client().expect(b"QUIT\r\n", "221")
        self.assertEqual(self.report()["sessions"]["ended"], 1)
        log = "".join(self.server.log)
        self.assertIn("third is over", log)
        self.assertIn("broken", log)


if __name__ == "__main__":
    unittest.main(argv=["transaction_test"])
