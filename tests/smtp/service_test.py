"""What a service manager is told, by the protocol of sd_notify(3).

usage: service_test.py HOST_SIM PLUGIN
"""
import os
import socket
import subprocess
import sys
import tempfile
import unittest

from server import Server


class ServiceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="host-sim-notify-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path)
        self.manager.settimeout(60)
        os.environ["NOTIFY_SOCKET"] = self.path
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")

    def start(self, *args, **keys):
        server = Server(*args, **keys)
        self.addCleanup(server.remove)
        return server

    def told(self):
        """The next message, as a dictionary."""
        text = self.manager.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def told_nothing(self):
        self.manager.setblocking(False)
        self.assertRaises(BlockingIOError, self.manager.recv, 4096)

    def test_ready_when_clients_are_served_and_stopping_for_as_long_as_it_takes(self):
        server = self.start("Policy_Timeout = 120", shutdown=50)
        self.assertEqual(self.told(), {"STATUS": "loading the policies",
                                       "EXTEND_TIMEOUT_USEC": "120000000"})
        self.assertEqual(self.told(), {
            "READY": "1", "STATUS": f"takes mail on 127.0.0.1:{server.port}"})
        client = server.connect().greet().begin_mail()
        server.signal()
        self.assertEqual(self.told(), {
            "STOPPING": "1", "EXTEND_TIMEOUT_USEC": "60000000",
            "STATUS": "SIGTERM: finishing the sessions in flight, for 50 s at most"})
        self.assertTrue(client.ask(b".\r\n").startswith("250"))
        client.close()
        self.assertEqual(server.wait(), 0)
        self.told_nothing()

    def test_never_ready_when_its_port_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with self.assertRaisesRegex(AssertionError, "no listener: .*cannot listen"):
                self.start(port=port)
        self.assertIn("EXTEND_TIMEOUT_USEC", self.told())
        self.told_nothing()

    def test_a_manager_that_cannot_be_told_is_a_warning(self):
        os.environ["NOTIFY_SOCKET"] = self.path + ".none"
        server = self.start()
        self.assertEqual(server.stop(), 0)
        self.assertIn("warning host: cannot tell systemd how the service is: "
                      "No such file or directory", "".join(server.log))

    def test_a_replay_is_no_service(self):
        server = self.start()
        self.told(), self.told()
        mail = server.write("mail.eml", "Subject: a mail\n\nbody\n")
        conf = os.path.join(server.dir, "host.conf")
        subprocess.run([sys.argv[1], "--config", conf, mail], check=True, timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.told_nothing()


if __name__ == "__main__":
    unittest.main(argv=["service_test"])
