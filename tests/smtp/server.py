"""host-sim with a listener on a free port of 127.0.0.1, for one test script.

Nothing here sleeps: the port is read from the log, and replies are waited for.
"""
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

POLICY = """
local mod = {}
local C = msys.core.VALIDATE_CONT
function mod:validate_mailfrom(address, ac, vctx)
  if address:find('^reject') then vctx:set_code(550, 'not\\nyou') end
  if address:find('^later') then vctx:set_code(450, 'come back') end
  if address:find('^bye') then vctx:disconnect(421, 'no more') end
  if address:find('^broken') then error('broken policy') end
  if address:find('^files') then
    local list = 'ls -l /proc/$$/fd | grep -c socket'
    local function count() return tonumber((msys.execute(list))) end
    vctx:set_code(250, select(2, msys.runInPool('IO', count)) .. ' ' ..
                       count() .. ' ' .. io.popen(list):read('n'))
  end
  if address:find('^linger') then
    msys.runInPool('IO', function()
      print('lingers')
      msys.execute('exec sleep 20 2>&1')
    end)
  end
  return C
end
function mod:validate_rcptto(msg, address, ac, vctx)
  if address:find('^drop') then msg:discard() end
  if address:find('^unknown') then vctx:set_code(550, 'no such user') end
  return C
end
function mod:validate_data(msg, ac, vctx)
  local what = msg:header('X-Test')[1]
  if what == 'reject' then vctx:set_code(554, 'no thanks') end
  if what == 'discard' then msg:discard() end
  if what == 'change' then msg:header('X-Changed', 'yes') end
  if what == 'count' then
    vctx:set_code(250, #vctx:recipient_list() .. ' recipients')
  end
  return C
end
msys.registerModule('test', mod)
"""


class Server:
    def __init__(self, keys="", shutdown=5, loops=2, top="",
                 options=(), policy=POLICY, states=4, seen=None, port=0):
        self.dir = tempfile.mkdtemp(prefix="host-sim-smtp-")
        self.maildir = os.path.join(self.dir, "mail")
        self.seen = seen  # is called with the server and each line of the log
        self.write("policy.lua", f"local DIR = '{self.dir}'\n{policy}")
        conf = self.write("host.conf", f"""
Plugin "runinpool" {{ Path = "{sys.argv[2]}" }}
EventLoop {{ Concurrency = {loops} }}
Lua {{ Max_States = {states} Script "policy" {{ Source = "policy.lua" }} }}
Listener "smtp" {{ Address = "127.0.0.1:{port}" Maildir = "mail" Hostname = "mx.test"
  {keys} }}
Shutdown_Timeout = {shutdown}
{top}
""")
        self.process = subprocess.Popen(
            [sys.argv[1], "--config", conf, *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace")
        self.log = []
        self.port = None
        for line in self._lines():
            found = re.search(r"smtp on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if not self.port:  # it has ended, or closed its log
            self.remove()
            raise AssertionError("no listener: " + "".join(self.log))
        # Further lines are taken off the pipe, so that it never fills.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _lines(self):
        for line in self.process.stderr:
            self.log.append(line)
            if self.seen:
                self.seen(self, line)
            yield line

    def _read(self):
        for _ in self._lines():
            pass

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def await_asleep(self):
        """Returns when each thread of the server waits in the kernel."""
        tasks = f"/proc/{self.process.pid}/task"

        def asleep(tid):
            with open(f"{tasks}/{tid}/stat", encoding="utf-8") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "S"

        while not all(asleep(tid) for tid in os.listdir(tasks)):
            os.sched_yield()

    def await_log(self, text):
        while not any(text in line for line in list(self.log)):
            if self.process.poll() is not None:
                raise AssertionError(text + " is not in " + "".join(self.log))
            os.sched_yield()

    @contextlib.contextmanager
    def without_descriptors(self):
        """Meanwhile the server can open nothing; gives the number that it may have."""
        # UBSan asks by a pipe whether memory can be read: when a thread begins, too.
        self.await_asleep()
        pid = self.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # All that are below the limit are taken.
        used = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))
        free = next(n for n in range(len(used) + 1) if n not in used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            yield free
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    def connect(self):
        return Client(self.port)

    def mails(self):
        new = os.path.join(self.maildir, "new")
        return sorted(Path(new, name).read_bytes() for name in os.listdir(new))

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        status = self.process.wait(60)
        self.reader.join()
        return status

    def stop(self):
        self.signal()
        return self.wait()

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.dir)


class Client:
    """A client that says exactly what a test wants it to say."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """One reply, as text; "" when the server has closed."""
        text = ""
        while True:
            line = self.file.readline().decode("ascii")
            text += line
            if line[3:4] != "-":
                return text

    def ask(self, data):
        self.send(data)
        return self.reply()

    def expect(self, data, code):
        """The reply, which must begin so."""
        reply = self.ask(data)
        assert reply.startswith(code), (data[:80], reply)
        return reply

    def greet(self):
        assert self.reply().startswith("220 ")
        assert self.ask(b"EHLO client.test\r\n").startswith("250-mx.test")
        return self

    def begin_mail(self):
        assert self.ask(b"MAIL FROM:<ann@one.test>\r\n").startswith("250")
        assert self.ask(b"RCPT TO:<bob@two.test>\r\n").startswith("250")
        assert self.ask(b"DATA\r\n").startswith("354")
        return self

    def close(self):
        self.file.close()
        self.socket.close()
