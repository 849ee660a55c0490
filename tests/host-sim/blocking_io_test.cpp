// Closures that wait in IO do not hold their Lua state.
#include "live_host.h"

namespace hostsim {
namespace {

class BlockingIoTest : public LiveHost {
 protected:
  // A call on a loop is warned of once in a process, whichever test comes first.
  static void CountWarnings(const std::string& log) {
    const std::string text = "waits on event loop 0 and holds up";
    for (std::size_t at = 0; (at = log.find(text, at)) != log.npos; ++at)
      ++warnings_;
    EXPECT_EQ(warnings_, 1) << log;
  }
  static inline int warnings_ = 0;
};

// The 50 wait for a byte that only a session of the same state writes, once all
// of them are waiting.  Each passes the byte on.
TEST_F(BlockingIoTest, ASessionGoesOnWhileFiftyClosuresWait) {
  const Ran ran = Run(R"(
    local sessions, inside, most = 0, 0, 0
    local function open() return assert(core.io_wrapper_open(F, core.O_RDWR)) end
    function mod:validate_data()
      sessions = sessions + 1
      if sessions == 51 then
        while inside < 50 do msys.sleep(0.001) end
        assert(open():write('x'))
        return core.VALIDATE_CONT
      end
      assert(msys.runInPool('IO', function()
        local h = open()
        inside = inside + 1
        assert(h:read(1) == 'x')
        assert(h:write('x'))
      end))
      return core.VALIDATE_CONT
    end
  )",
                      "", 51, 51);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 51u);
  EXPECT_EQ(ran.json["states"], 1);
  CountWarnings(ran.err);
}

TEST_F(BlockingIoTest, FiftyCommandsTakeTheTimeOfOne) {
  const Ran ran = Run(R"(
    function mod:validate_data()
      local ok, output, status = msys.runInPool('IO', function()
        return msys.execute('sleep 0.1; echo done')
      end)
      assert(ok and output == 'done\n' and status == 0)
      return core.VALIDATE_CONT
    end
  )",
                      "", 50, 50);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 50u);
  EXPECT_LT(ran.json["seconds"].get<double>(), 2.0);
}

TEST_F(BlockingIoTest, FilesAndCommands) {
  const std::string file = dir_.Path("file");
  const Ran ran = Run("local P = '" + file + "'\n" + R"(
    local function fails(number, result, message, found, ...)
      assert(result == nil and type(message) == 'string' and found == number, message)
      return message
    end
    local function check()
      local h = assert(core.io_wrapper_open(P, core.O_RDWR + core.O_CREAT + core.O_EXCL, 384))
      fails(17, core.io_wrapper_open(P, core.O_WRONLY + core.O_CREAT + core.O_EXCL))
      assert(h:write('one\n', 2, '\nthr\0ee') == h and h:write() == h)
      assert(h:close() == true)
      fails(9, h:close()) fails(9, h:read(1)) fails(9, h:write('x'))

      h = assert(core.io_wrapper_open(P, core.O_RDWR))
      assert(h:read(2) == 'on' and h:read() == 'e' and h:read('L') == '2\n')
      assert(h:read(0) == '' and h:read('a') == 'thr\0ee')
      assert(h:read(0) == nil and h:read(1) == nil and h:read() == nil and h:read('a') == '')
      assert(h:close())
      h = assert(core.io_wrapper_open(P, core.O_RDWR))
      assert(h:read(3) == 'one' and h:write('!'))   -- where reading had come to
      assert(msys.readfile(P) == 'one!2\nthr\0ee')
      h = assert(core.io_wrapper_open(P, core.O_WRONLY + core.O_APPEND))
      assert(h:write('\nend') and h:close())
      local lines = {}
      for line in core.io_wrapper_open(P, core.O_RDONLY):lines() do lines[#lines + 1] = line end
      assert(table.concat(lines, '|') == 'one!2|thr\0ee|end')
      assert(core.io_wrapper_open(P, core.O_WRONLY + core.O_TRUNC):close())
      assert(msys.readfile(P) == '')

      assert(fails(2, msys.readfile('/no/file')) == '/no/file: No such file or directory')
      fails(21, msys.readfile('/'))
      h = core.io_wrapper_open('/', core.O_RDONLY)
      assert(not pcall(function() for _ in h:lines() do end end))
      for _, wrong in ipairs {
        function() core.io_wrapper_open(P, 1 << 40) end,
        function() core.io_wrapper_open(P, 3) end,
        function() core.io_wrapper_open(P, 0, -1) end,
        function() core.io_wrapper_open('a\0b', 0) end,
        function() h:read(-1) end, function() h:read('x') end, function() h:lines({}) end,
        function() h.write({}, 'x') end, function() h:write({}) end,
        function() msys.readfile() end, function() msys.execute('a\0b') end,
      } do assert(not pcall(wrong)) end

      local output, status = msys.execute('echo out; echo lost >&2; cat; exit 3')
      assert(output == 'out\n' and status == 3)
      output, status = msys.execute('kill -TERM $$; sleep 100')  -- not blocked there
      assert(output == '' and status == 128 + 15)
      output, status = msys.execute('kill -PIPE $$; echo ignored')  -- as GMime has it
      assert(output == '' and status == 128 + 13)
      output, status = msys.execute('yes | head -c 300000')
      assert(#output == 300000 and status == 0)
      return true
    end
    function mod:validate_data()
      assert(msys.runInPool('IO', check))
      os.remove(P)
      assert(check())  -- and on a loop, which it holds up
      return core.VALIDATE_CONT
    end
  )",
                      "", 1, 1);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  CountWarnings(ran.err);
}

// A server that runs for months has as many descriptors as at the start.
TEST_F(BlockingIoTest, NothingIsLeftOpen) {
  const std::string file = dir_.Write("file", "text");
  const Ran ran = Run("local P = '" + file + "'\n" + R"(
    local function open()
      return tonumber((msys.execute('ls /proc/' .. ID .. '/fd | wc -l')))
    end
    function mod:validate_data()
      ID = io.open('/proc/self/stat'):read('n')
      local before
      for i = 1, 50 do
        assert(msys.runInPool('IO', function()
          msys.execute('exit 1')
          msys.readfile(P)
          msys.readfile('/no/file')
          assert(core.io_wrapper_open(P, core.O_RDONLY)):read('a')
        end))
        collectgarbage()
        if i == 10 then before = open() end
      end
      local after = open()  -- what the host itself opens meanwhile is not left
      assert(after <= before + 5, after .. ' after ' .. before)
      return core.VALIDATE_CONT
    end
  )",
                      "", 1, 1);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
}

// Such as those that host-sim was started with.
TEST_F(BlockingIoTest, ACommandHasNoDescriptorsButItsThree) {
  const int open = ::dup(0);
  const Ran ran = Run("local N = " + std::to_string(open) + "\n" + R"(
    function mod:validate_data()
      local output = msys.execute('for n in 0 1 2 ' .. N ..
                                  '; do test -e /proc/$$/fd/$n; echo $?; done')
      assert(output == '0\n0\n0\n1\n', output)
      return core.VALIDATE_CONT
    end
  )",
                      "", 1, 1);
  ::close(open);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
}

TEST_F(BlockingIoTest, ACommandReadsNothingOfTheHostsInput) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "of the host\n", 12), 12);
  const int input = ::dup(0);
  ::dup2(ends[0], 0);
  ::close(ends[1]);
  const Ran ran = Run(R"(
    function mod:validate_data()
      local output = msys.execute('cat')
      assert(output == '', output)
      return core.VALIDATE_CONT
    end
  )",
                      "", 1, 1);
  ::dup2(input, 0);
  ::close(input);
  ::close(ends[0]);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
}

// Two closures read from one handle: every byte comes to one of them.
TEST_F(BlockingIoTest, CallsOnOneHandleTakeTurns) {
  const Ran ran = Run(R"(
    local path = os.tmpname()
    local shared, seen = nil, 0
    function mod:init()
      local h = assert(core.io_wrapper_open(path, core.O_WRONLY))
      for i = 1, 2000 do h:write(i, '\n') end
      h:close()
      shared = assert(core.io_wrapper_open(path, core.O_RDONLY))
      os.remove(path)
    end
    local found, readers = {}, 8
    function mod:validate_data()
      assert(msys.runInPool('IO', function()
        for line in shared:lines() do
          assert(not found[line])
          found[line], seen = true, seen + 1
        end
      end))
      assert(seen <= 2000)
      -- One may have come to the end while another still brings the last line.
      readers = readers - 1
      assert(readers > 0 or seen == 2000 or print('seen', seen))
      return core.VALIDATE_CONT
    end
  )",
                      "", 8, 8);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.err.find("seen"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hostsim
