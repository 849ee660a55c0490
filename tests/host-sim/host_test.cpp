// The host from configuration to report, with the fake plugin.
#include "host.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "temp_dir.h"

namespace hostsim {
namespace {

constexpr char kMail[] =
    "From: ann@one.example\nTo: bob@two.example, cid@two.example\n"
    "Subject: hi\n\nbody\n";

class HostTest : public testing::Test {
 protected:
  struct Ran {
    int status;
    std::string out, err;
    nlohmann::json json;
    std::uint64_t of(const char* outcome) const {
      return json["sessions"][outcome].get<std::uint64_t>();
    }
  };

  HostTest() { mail_ = dir_.Write("mail/a.eml", kMail); }

  // Runs `policy`, a chunk in which `mod` is the module that is registered.
  Ran Run(const std::string& policy, std::uint64_t sessions = 1,
          const std::string& more_config = "Lua { Max_States = 2 }") {
    dir_.Write("policy.lua",
               "local mod = {}\nlocal C, D = "
               "msys.core.VALIDATE_CONT, msys.core.VALIDATE_DONE\n" +
                   policy + "\nmsys.registerModule('test', mod)\n");
    const std::string file = dir_.Write(
        "host.conf", "Plugin \"fake\" { Path = \"" FAKE_PLUGIN
                     "\" }\nShutdown_Timeout = 1\nLua { Script \"policy\" { "
                     "Source = \"policy.lua\" } }\n" +
                         more_config);
    Options options;
    options.config = file;
    options.paths = {dir_.Path("mail")};
    options.sessions = sessions;
    options.concurrency = 10;
    options.json = dir_.Path("out.json");
    Ran ran;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const auto config = ReadConfig(file, &ran.err);
    if (config) {
      Host host(options, *config);
      ran.status = host.Run();
    } else {
      ran.status = kExitUsage;
    }
    ran.out = testing::internal::GetCapturedStdout();
    ran.err += testing::internal::GetCapturedStderr();
    std::ifstream in(options.json);
    if (in) ran.json = nlohmann::json::parse(in);
    return ran;
  }

  TempDir dir_;
  std::string mail_;
};

TEST_F(HostTest, PhasesComeInOrderWithTheirArguments) {
  const Ran ran = Run(R"(
    local function line(name, ...)
      print(name, ...)
      return C
    end
    local function kind(x) return tostring(x):match('^%a+') end
    function mod:init() print('init', self == mod) end
    function mod:validate_connect(ac, vctx)
      self.n = 1 return line('connect', kind(ac), kind(vctx), ac.remote_addr) end
    function mod:validate_ehlo(str, ac, vctx)
      self.n = self.n + 1 return line('ehlo', str, kind(ac), kind(vctx)) end
    function mod:validate_mailfrom(str, ac, vctx)
      return line('mailfrom', str, kind(ac), kind(vctx)) end
    function mod:validate_rcptto(msg, str, ac, vctx)
      return line('rcptto', kind(msg), str, #vctx:recipient_list(), msg:raw() == '') end
    function mod:validate_data(msg, ac, vctx)
      return line('data', msg:mailfrom(), msg:header('Subject')[1],
                  table.concat(vctx:recipient_list(), ',')) end
    function mod:validate_data_spool(msg, ac, vctx)
      vctx:add_recipient('extra@x.example')
      return line('data_spool', kind(msg), kind(ac), kind(vctx)) end
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      return line('each', msg:rcptto()) end
    function mod:validate_set_binding(msg)
      return line('binding', kind(msg)) end
    function mod:validate_dealloc(...) return line('dealloc', self.n, ...) end
  )");
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  std::size_t at = 0;
  for (const char* wanted :
       {"lua: init\ttrue\n", "lua: connect\tac\tvctx\t192.0.2.1:1024\n",
        "lua: ehlo\tone.example\tac\tvctx\n",
        "lua: mailfrom\tann@one.example\tac\tvctx\n",
        "lua: rcptto\tmsg\tbob@two.example\t0\ttrue\n",
        "lua: rcptto\tmsg\tcid@two.example\t1\ttrue\n",
        "lua: data\tann@one.example\thi\tbob@two.example,cid@two.example\n",
        "lua: data_spool\tmsg\tac\tvctx\n", "lua: each\tbob@two.example\n",
        "lua: each\tcid@two.example\n", "lua: each\textra@x.example\n",
        "lua: binding\tmsg\n", "lua: dealloc\t2\n"}) {
    const std::size_t found = ran.err.find(wanted, at);
    ASSERT_NE(found, std::string::npos) << wanted << " after " << at << " in\n"
                                        << ran.err;
    at = found;
  }
  EXPECT_EQ(ran.of("accepted"), 1u);
  EXPECT_EQ(ran.json["phases"]["rcptto"]["count"], 2);
  EXPECT_EQ(ran.json["phases"]["data_spool_each_rcpt"]["count"], 3);
}

TEST_F(HostTest, EveryOutcome) {
  // One session of each, told apart by the number in conn_id.
  const Ran ran = Run(R"(
    function mod:validate_connect(ac, vctx)
      self.kind = tonumber(ac.conn_id, 16) % 5
      return C
    end
    function mod:validate_data(msg, ac, vctx)
      if self.kind == 1 then vctx:set_code(550, 'no') end
      if self.kind == 2 then vctx:set_code(451, 'later') end
      if self.kind == 3 then vctx:disconnect(421, 'bye') end
      if self.kind == 4 then msg:discard() end
      return D
    end
    function mod:validate_set_binding(msg)
      assert(self.kind == 0, 'should have ended')
      return C
    end
  )",
                      50);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  for (const char* outcome :
       {"accepted", "rejected", "tempfailed", "disconnected", "discarded"})
    EXPECT_EQ(ran.of(outcome), 10u) << outcome;
  EXPECT_EQ(ran.of("cancelled"), 0u);
  EXPECT_EQ(ran.of("errors"), 0u);
}

TEST_F(HostTest, AnErrorTempfailsThatSessionOnly) {
  const Ran ran = Run(R"(
    function mod:validate_connect(ac, vctx)
      self.n = tonumber(ac.conn_id, 16)
      return C
    end
    function mod:validate_data(msg, ac, vctx)
      if self.n == 1 then error('broken policy') end
      if self.n == 2 then return end
      if self.n == 3 then return 'yes' end
      if self.n == 4 then return 12345 end
      return C
    end
    function mod:validate_dealloc() print('dealloc', self.n) return 'ignored' end
  )",
                      10);
  EXPECT_EQ(ran.status, kExitFailed);
  EXPECT_EQ(ran.of("accepted"), 6u);
  EXPECT_EQ(ran.of("tempfailed"), 4u);
  EXPECT_EQ(ran.of("errors"), 4u);
  for (const char* wanted :
       {"error test: validate_data: ", "broken policy",
        "validate_data: returned nothing; msys.core.VALIDATE_CONT or "
        "VALIDATE_DONE is wanted",
        "validate_data: returned a string;",
        "validate_data: returned 12345, which is neither", "dealloc\t1\n",
        "dealloc\t4\n"})
    EXPECT_NE(ran.err.find(wanted), std::string::npos) << wanted << "\n"
                                                       << ran.err;
}

TEST_F(HostTest, ModulesAreAskedInOrderUntilOneIsDone) {
  const Ran ran = Run(R"(
    local second, third = {}, {}
    function mod:validate_data() print('first') return C end
    function second:validate_data() self.x = 2 print('second') return D end
    function third:validate_data() print('third') return C end
    function third:validate_connect() print('third connect', self.x) return C end
    msys.registerModule('zero', {})
    msys.registerModule('second', second)
    msys.registerModule('third', third)
    package.loaded.mod = mod
    local test = mod
    mod = setmetatable({}, {__index = test})
  )");
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_NE(ran.err.find("third connect\tnil"), std::string::npos);
  EXPECT_NE(ran.err.find("lua: second"), std::string::npos);
  EXPECT_EQ(ran.err.find("lua: third\n"), std::string::npos);
}

TEST_F(HostTest, ARecipientThatIsRefusedLateIsNotForTheMail) {
  Ran ran = Run(R"(
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      if msg:rcptto():find('^bob') then vctx:set_code(550, 'no bob') end
      return C
    end
    function mod:validate_data(msg) print('first', msg:rcptto()) return C end
    function mod:validate_set_binding(msg) print('for', msg:rcptto()) return C end
  )");
  EXPECT_EQ(ran.of("accepted"), 1u) << ran.err;
  EXPECT_NE(ran.err.find("lua: first\tbob@two.example\n"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("lua: for\tcid@two.example\n"), std::string::npos) << ran.err;
  for (const char* codes : {"550, 450", "450, 550"}) {
    ran = Run(std::string("local codes = {") + codes + R"(}
      function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
        vctx:set_code(table.remove(codes), 'no')
        return C
      end
      function mod:validate_set_binding() error('nobody is left') end
    )");
    EXPECT_EQ(ran.of("rejected"), 1u) << ran.err;
  }
  ran = Run(R"(
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      vctx:set_code(450, 'later')
      return C
    end
  )");
  EXPECT_EQ(ran.of("tempfailed"), 1u) << ran.err;
}

TEST_F(HostTest, AMailThatNobodyIsToGetIsRefused) {
  // The one who would have got it has been removed by then.
  Ran ran = Run(R"(
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      print('for', msg:rcptto())
      vctx:remove_recipient('cid@two.example')
      vctx:set_code(550, 'no')
      return C
    end
    function mod:validate_set_binding() error('nobody is left') end
  )");
  EXPECT_EQ(ran.of("rejected"), 1u) << ran.err;
  EXPECT_NE(ran.err.find("lua: for\tbob@two.example\n"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find("lua: for\tcid@two.example\n"), std::string::npos) << ran.err;
  // Somebody is left who was not there when the first was asked about.
  ran = Run(R"(
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      vctx:add_recipient('new@two.example')
      vctx:set_code(550, 'no')
      return C
    end
    function mod:validate_set_binding(msg) print('for', msg:rcptto()) return C end
  )");
  EXPECT_EQ(ran.of("accepted"), 1u) << ran.err;
  EXPECT_NE(ran.err.find("lua: for\tnew@two.example\n"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.json["phases"]["data_spool_each_rcpt"]["count"], 2);
  // Nobody was refused: what the policy has made of it is accepted.
  ran = Run(R"(
    function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
      vctx:remove_recipient(msg:rcptto())
      return C
    end
  )");
  EXPECT_EQ(ran.of("accepted"), 1u) << ran.err;
}

TEST_F(HostTest, RefusedRecipientsAreLeftOut) {
  Ran ran = Run(R"(
    function mod:validate_rcptto(msg, str, ac, vctx)
      if str:find('^bob') then vctx:set_code(550, 'no bob') end
      return C
    end
    function mod:validate_data(msg, ac, vctx)
      print('to', table.concat(vctx:recipient_list(), ','))
      return C
    end
  )");
  EXPECT_NE(ran.err.find("lua: to\tcid@two.example\n"), std::string::npos)
      << ran.err;
  EXPECT_EQ(ran.of("accepted"), 1u);
  ran = Run(R"(
    function mod:validate_rcptto(msg, str, ac, vctx)
      vctx:set_code(str:find('^bob') and 550 or 450, 'no')
      return C
    end
    function mod:validate_data() error('nobody is left') end
  )");
  EXPECT_EQ(ran.of("rejected"), 1u) << ran.err;
}

// To Lua a mail of a megabyte is a handle of a few bytes.
TEST_F(HostTest, MailsOfPastSessionsDoNotStay) {
  dir_.Write("mail/a.eml", kMail + std::string(1 << 20, 'x'));
  const Ran ran = Run(R"(
    collectgarbage('setpause', 1000)  -- of what else there is
    local mails, most = setmetatable({}, { __mode = 'k' }), 0
    function mod:validate_data(msg)
      mails[msg] = true
      local count = 0
      for _ in pairs(mails) do count = count + 1 end
      most = math.max(most, count)
      return C
    end
    function mod:validate_dealloc() print('mails at once: ' .. most) end
  )",
                      200, "Lua { Max_States = 1 }");
  EXPECT_EQ(ran.of("accepted"), 200u) << ran.err;
  const std::size_t last = ran.err.rfind("mails at once: ");
  ASSERT_NE(last, std::string::npos) << ran.err;
  EXPECT_LE(std::stoi(ran.err.substr(last + 15)), 20);
}

TEST_F(HostTest, AnErrorIsLoggedWithTheBytesThatItHas) {
  const Ran ran = Run("function mod:validate_data() error('zero\\0after', 0) end");
  EXPECT_NE(ran.err.find("validate_data: zero\\x00after"), std::string::npos) << ran.err;
}

TEST_F(HostTest, RunInPoolSuspendsAndSessionsShareStates) {
  const Ran ran =
      Run(R"(
    function mod:validate_data(msg, ac, vctx)
      local ok, size = msys.runInPool('later', function() return #msg:raw() end)
      assert(ok and size == #msg:raw())
      return C
    end
  )",
          300, "Lua { Max_States = 3 }\nEventLoop { Concurrency = 2 }");
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 300u);
  // How many are made depends on how fast sessions end; never more than allowed.
  EXPECT_GE(ran.json["states"], 1);
  EXPECT_LE(ran.json["states"], 3);
  EXPECT_EQ(ran.json["loops"].size(), 2u);
  EXPECT_TRUE(ran.json["drained"].get<bool>());
}

TEST_F(HostTest, InitMaySuspendAndSessionsWaitForIt) {
  const Ran ran = Run(R"(
    local ready
    function mod:init()
      local ok, v = msys.runInPool('later', function() return 42 end)
      ready = v
    end
    function mod:validate_connect() assert(ready == 42) return C end
  )",
                      20);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 20u);
}

TEST_F(HostTest, APolicyThatDoesNotLoadEndsTheRun) {
  Ran ran = Run("error('at load')");
  EXPECT_EQ(ran.status, kExitSetup);
  EXPECT_NE(ran.err.find("at load"), std::string::npos) << ran.err;
  ran = Run("function mod:init() error('at init') end");
  EXPECT_EQ(ran.status, kExitSetup);
  EXPECT_NE(ran.err.find("init of module test: "), std::string::npos)
      << ran.err;
  ran = Run("this is no Lua");
  EXPECT_EQ(ran.status, kExitSetup);
  EXPECT_NE(ran.err.find("policy.lua:3: syntax error"), std::string::npos)
      << ran.err;
}

TEST_F(HostTest, SigtermCancelsWhatDoesNotFinish) {
  // SIGTERM arrives when all ten are stuck; the deadline is one second.
  const Ran ran = Run(R"(
    local stuck = 0
    function mod:validate_data()
      stuck = stuck + 1
      if stuck == 5 then io.popen('kill -TERM ' ..
        io.open('/proc/self/stat'):read('n')):close() end
      msys.runInPool('never', function() end)
    end
    function mod:validate_dealloc() print('dealloc') end
  )",
                      100, "Lua { Max_States = 1 }");
  EXPECT_EQ(ran.status, kExitFailed);
  EXPECT_NE(ran.err.find("notice host: SIGTERM"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.of("cancelled"), ran.of("started")) << ran.err;
  EXPECT_GE(ran.of("cancelled"), 5u);
  EXPECT_LE(ran.of("cancelled"), 10u);
  EXPECT_NE(ran.err.find("lua: dealloc"), std::string::npos);
}

// The fake has a job that is pending when the sessions are over.
TEST_F(HostTest, AfterSigtermJobsAreStillWaitedFor) {
  const Ran ran = Run(R"(
    local asked
    function mod:validate_data()
      if not asked then
        asked = true
        io.popen('kill -TERM ' .. io.open('/proc/self/stat'):read('n')):close()
      end
      msys.runInPool('later', function() end)
      return C
    end
  )",
                      100000, "Lua { Max_States = 1 }");
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_LT(ran.of("started"), 100000u);
  EXPECT_EQ(ran.of("accepted"), ran.of("started"));
  EXPECT_TRUE(ran.json["drained"].get<bool>());
  EXPECT_EQ(ran.json["pools"][0]["running"], 0);
}

TEST_F(HostTest, TheReportHasTheOperatorsLayout) {
  const Ran ran =
      Run("function mod:validate_data() msys.runInPool('now', function() end) "
          "return C end");
  for (const char* wanted :
       {"Sessions: 1 in ", "    accepted ", "    phase ", "    data ",
        "    whole session ", "Event loop 0: longest hold-up ",
        "IO thread pool: concurrency 50\n    Total invocations: 1\n"
        "    Observed average concurrency: 1.05\n"
        "    Thread pool saturation: 2.1 %\n"
        "    Average wallclock time per op: 0.000345 s\n"})
    EXPECT_NE(ran.out.find(wanted), std::string::npos) << wanted << "\n"
                                                       << ran.out;
}

TEST_F(HostTest, NoMessageIsAnError) {
  std::filesystem::remove(mail_);
  const Ran ran = Run("");
  EXPECT_EQ(ran.status, kExitUsage);
  EXPECT_NE(ran.err.find("no message in the given paths"), std::string::npos);
}

TEST_F(HostTest, APluginThatRefusesIsNamed) {
  const Ran ran = Run("", 1, "ThreadPool \"refuse\" { }");
  EXPECT_EQ(ran.status, kExitUsage);  // it is the configuration's fault
  EXPECT_NE(ran.err.find("host.conf: the plugin cannot be opened: pool \"refuse\" is "
                         "refused"),
            std::string::npos)
      << ran.err;
}

}  // namespace
}  // namespace hostsim
