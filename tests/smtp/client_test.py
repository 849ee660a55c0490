"""Mail clients from Debian's packages.

usage: client_test.py HOST_SIM PLUGIN SWAKS CURL SMTP_SOURCE
"""
import subprocess
import sys
import unittest

from server import Server

SWAKS, CURL, SMTP_SOURCE = sys.argv[3:6]


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.server = Server(top='Log { Level = "notice" }')
        self.addCleanup(self.server.remove)
        self.at = "127.0.0.1:%d" % self.server.port

    def run_client(self, *words):
        ran = subprocess.run(words, capture_output=True, text=True, timeout=240)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_swaks(self):
        self.run_client(SWAKS, "--server", self.at, "--pipeline",
                        "--ehlo", "me.test", "--from", "ann@one.test",
                        "--to", "bob@two.test,cid@two.test",
                        "--body", "from swaks\n.dot\n")
        self.assertIn(b"from swaks\r\n.dot\r\n", self.server.mails()[0])
        self.assertEqual(self.server.stop(), 0)

    def test_curl(self):
        mail = self.server.write("mail.eml", "Subject: c\r\n\r\n.from curl\r\n")
        self.run_client(CURL, "--silent", "--show-error", "smtp://%s/me" % self.at,
                        "--mail-from", "ann@one.test",
                        "--mail-rcpt", "bob@two.test", "--upload-file", mail)
        self.assertEqual(self.server.mails(),
                         [b"Subject: c\r\n\r\n.from curl\r\n"])
        self.assertEqual(self.server.stop(), 0)

    def test_smtp_source_200_connections_5000_mails(self):
        self.run_client(SMTP_SOURCE, "-s", "200", "-m", "5000", "-l", "4096",
                        "-M", "me.test", "-f", "ann@one.test",
                        "-t", "bob@two.test", self.at)
        self.assertEqual(len(self.server.mails()), 5000)
        self.assertEqual(self.server.stop(), 0, "".join(self.server.log))


if __name__ == "__main__":
    unittest.main(argv=["client_test"])
