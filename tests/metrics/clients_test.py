"""Whatever a client of the page does, mail goes on; and what an operator may
have written wrong is said in one line.

usage: clients_test.py HOST_SIM PLUGIN
"""
import os
import random
import signal
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from pages import METRICS, address_in, fetch, fetch_when
from server import Server

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


def threads_of(pid):
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
            names.append(file.read().strip())
    return names


class ClientsTest(unittest.TestCase):
    def start(self, top=METRICS, **keys):
        server = Server(top=top, **keys)
        self.addCleanup(server.remove)
        if top == METRICS:
            self.url = address_in(server.log)
            self.port = int(self.url.rsplit(":", 1)[1].split("/")[0])
        return server

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def library_threads(self, server):
        """All three: they name themselves a little after the server is up."""
        names = []
        while len(names) < 3:
            names = [n for n in threads_of(server.process.pid) if "civetweb" in n]
        return names

    def mail_goes_through(self, server):
        client = server.connect().greet().begin_mail()
        self.assertTrue(client.ask(b"Subject: s\r\n\r\nx\r\n.\r\n")
                        .startswith("250"))
        client.close()

    def test_noise(self):
        server = self.start()
        noise = random.Random(1)
        requests = [
            b"", b"\r\n", b"\0" * 100_000, b"GET", b"GET /metrics", GET,
            GET + b"\r\n" + GET + b"\r\n", b"GET /metrics\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
            b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
            b"GET /metrics?" + b"%00%ff" * 2000 + b" HTTP/1.1\r\n\r\n",
            b"GET /../../../../etc/passwd HTTP/1.1\r\n\r\n",
            b"GET /metrics HTTP/9.9\r\n\r\n",
            GET + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
            GET + b"".join(b"H%d: x\r\n" % i for i in range(5000)) + b"\r\n",
            GET + b"Accept-Encoding: gzip\r\n\r\n",
            GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
            GET + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] + [noise.randbytes(noise.randrange(1, 5000)) for _ in range(100)]
        for method in b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"PATCH":
            requests.append(method + b" /metrics HTTP/1.1\r\n\r\n")
        for request in requests:
            with self.connect() as client:
                try:
                    client.sendall(request)
                    client.shutdown(socket.SHUT_WR)
                    answer = b""
                    while piece := client.recv(65536):
                        answer += piece
                except OSError:  # it has hung up
                    continue
                self.assertNotIn(b"root:", answer)
        self.mail_goes_through(server)
        fetch(self.url)
        self.assertEqual(server.stop(), 0, "".join(server.log))

    def test_only_the_page_is_there(self):
        server = self.start()
        for path in "/", "/metrics/..", "/index.html", "/cgi-bin/x":
            with self.assertRaises(urllib.error.HTTPError) as failed:
                urllib.request.urlopen(self.url.replace("/metrics", path),
                                       timeout=60)
            self.assertEqual(failed.exception.code, 404, path)
            failed.exception.close()
        self.assertEqual(server.stop(), 0)

    def test_clients_that_hang_hold_up_neither_mail_nor_the_end(self):
        server = self.start()
        hanging = [self.connect() for _ in range(20)]
        for i, client in enumerate(hanging):
            client.sendall(GET if i % 2 else b"")
        # More than the library and the kernel queue.
        for _ in range(400):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            hanging.append(client)
        self.mail_goes_through(server)
        # They do not take the descriptors that mail needs.
        self.assertLess(len(os.listdir(f"/proc/{server.process.pid}/fd")), 100)
        self.assertEqual(server.stop(), 0, "".join(server.log))
        for client in hanging:
            client.close()

    def test_a_page_is_there_until_the_last_session_is_over(self):
        server = self.start(shutdown=100)
        client = server.connect().greet().begin_mail()
        server.signal()
        fetch_when(self.url, lambda p: p.value("hostsim_sessions") == 1)
        self.assertTrue(client.ask(b"late\r\n.\r\n").startswith("250"))
        client.close()
        self.assertEqual(server.wait(), 0, "".join(server.log))
        self.assertRaises(urllib.error.URLError, fetch, self.url)

    def test_no_threads_without_it(self):
        server = self.start(top="")
        self.assertEqual([n for n in threads_of(server.process.pid)
                          if "civetweb" in n], [])
        self.assertEqual(server.stop(), 0)
        server = self.start()
        self.assertEqual(len(self.library_threads(server)), 3)
        self.assertEqual(server.stop(), 0)

    def test_signals_are_not_the_librarys(self):
        server = self.start()
        self.library_threads(server)
        for task in os.listdir(f"/proc/{server.process.pid}/task"):
            path = f"/proc/{server.process.pid}/task/{task}/"
            with open(path + "comm", encoding="ascii") as file:
                if "civetweb" not in file.read():
                    continue
            with open(path + "status", encoding="ascii") as file:
                blocked = next(int(line.split()[1], 16) for line in file
                               if line.startswith("SigBlk:"))
            for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
                self.assertTrue(blocked >> (number - 1) & 1, number)
        self.assertEqual(server.stop(), 0)

    def start_badly(self, address):
        conf = os.path.join(self.start(top="").dir, "bad.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write('Plugin "runinpool" { Path = "%s" }\n'
                      'Listener "smtp" { Address = "127.0.0.1:0" }\n'
                      'Metrics {\n  Address = "%s"\n}\n' % (sys.argv[2], address))
        ended = subprocess.run([sys.argv[1], "--config", conf], timeout=60,
                               capture_output=True, text=True, check=False)
        self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
        self.assertTrue(ended.stderr.startswith(conf if ended.returncode == 2
                                                else f"host-sim: {conf}"))
        return ended.returncode, ended.stderr

    def test_an_address_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            status, err = self.start_badly(address)
        self.assertEqual(status, 1)
        self.assertIn(f"Metrics: cannot bind to {address}: 98 (Address already "
                      "in use)", err)

    def test_an_address_that_is_none(self):
        for address in ("here", "127.0.0.1", "9464", "127.0.0.1:99999", "[::1]:0",
                        "127.0.0.1:1,127.0.0.1:2", "127.0.0.1:1s", "localhost:1",
                        ""):
            status, err = self.start_badly(address)
            self.assertEqual(status, 2, address)
            self.assertIn(f'bad.conf:4: Address = "{address}" is not a numeric '
                          "IPv4 address and a port", err)


if __name__ == "__main__":
    unittest.main(argv=["clients_test"])
