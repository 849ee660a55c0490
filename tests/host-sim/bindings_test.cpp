#include "bindings.h"

#include <gtest/gtest.h>

#include <memory>

namespace hostsim {
namespace {

constexpr char kMail[] =
    "From: ann@one.example\nX-A: 1\nX-A: 2\n"
    "Content-Type: multipart/mixed; boundary=a\n\n"
    "--a\nContent-Type: text/plain\n\nhello\n"
    "--a\nContent-Type: image/png; name=p.png\n"
    "Content-Disposition: attachment; filename=p.png\n"
    "Content-Transfer-Encoding: base64\n\nAAEC\n--a--\n";

int OpenAll(lua_State* L) {
  OpenBindings(L, "");
  auto* connection = static_cast<Connection*>(lua_touserdata(L, 1));
  PushMsg(L, &connection->message());
  lua_setglobal(L, "msg");
  PushVctx(L, connection);
  lua_setglobal(L, "vctx");
  PushAc(L, connection);
  lua_setglobal(L, "ac");
  return 0;
}

class BindingsTest : public testing::Test {
 protected:
  BindingsTest() : L_(luaL_newstate(), lua_close) {
    InitGMime();
    connection_ = Ref<Connection>(new Connection(&turn_, "c0", "192.0.2.1:25"));
    connection_->BeginTransaction();
    connection_->message().SetContent(
        std::make_shared<const std::string>(kMail));
    lua_pushcfunction(L_.get(), OpenAll);
    lua_pushlightuserdata(L_.get(), connection_.get());
    EXPECT_EQ(lua_pcall(L_.get(), 1, 0, 0), LUA_OK);
  }

  // What the chunk returns, as text; or "error: " and the message.
  std::string Eval(const std::string& chunk) {
    lua_State* L = L_.get();
    lua_settop(L, 0);
    if (luaL_loadstring(L, chunk.c_str()) != LUA_OK ||
        lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK) {
      const char* text = lua_tostring(L, -1);
      return std::string("error: ") + (text ? text : "?");
    }
    std::string out;
    for (int i = 1; i <= lua_gettop(L); ++i) {
      if (i > 1) out += ' ';
      std::size_t size = 0;
      const char* text = luaL_tolstring(L, i, &size);
      out.append(text, size);
      lua_pop(L, 1);
    }
    return out;
  }
  void ExpectError(const std::string& chunk, const std::string& message) {
    const std::string got = Eval(chunk);
    EXPECT_NE(got.find(message), std::string::npos) << chunk << ": " << got;
    EXPECT_EQ(got.rfind("error: ", 0), 0u) << got;
  }

  TurnMark turn_{"lua/0"};
  Ref<Connection> connection_;
  std::unique_ptr<lua_State, void (*)(lua_State*)> L_;
};

TEST_F(BindingsTest, Ac) {
  EXPECT_EQ(Eval("return ac.remote_addr, ac.conn_id, ac.other"),
            "192.0.2.1:25 c0 nil");
  EXPECT_EQ(Eval("return tostring(ac)"), "ac: c0 from 192.0.2.1:25");
  ExpectError("ac.x = 1", "attempt to index a");
}

TEST_F(BindingsTest, MsgBasics) {
  EXPECT_EQ(Eval("return msg.id, msg.nothing"), "c0-1 nil");
  EXPECT_EQ(Eval("return #msg:raw(), msg:get_message_size()"),
            std::to_string(sizeof kMail - 1) + " " +
                std::to_string(sizeof kMail - 1));
  EXPECT_EQ(Eval("return msg:text(), msg:text('text/html') == ''"),
            "hello true");
  EXPECT_EQ(Eval("return tostring(msg)"), "msg: c0-1");
}

// A policy may be given the same mail by two handles.
TEST_F(BindingsTest, HandlesOfOneObjectAreEqual) {
  EXPECT_EQ(Eval("return msg == msg, msg == vctx, vctx == ac"), "true false false");
  lua_State* L = L_.get();
  const std::string before = Eval("first = msg return tostring(first == msg)");
  lua_pushcfunction(L, OpenAll);  // makes new ones
  lua_pushlightuserdata(L, connection_.get());
  ASSERT_EQ(lua_pcall(L, 1, 0, 0), LUA_OK);
  EXPECT_EQ(before + Eval("return first == msg, rawequal(first, msg)"), "truetrue false");
}

TEST_F(BindingsTest, MsgHeader) {
  EXPECT_EQ(Eval("return table.concat(msg:header('x-a'), ',')"), "1,2");
  EXPECT_EQ(Eval("return #msg:header('None')"), "0");
  EXPECT_EQ(Eval("msg:header('X-A', 'new'); return #msg:header('X-A'), "
                 "msg:header('X-A')[1]"),
            "1 new");
  EXPECT_EQ(Eval("msg:header('X-A', nil); return #msg:header('X-A')"), "0");
  EXPECT_EQ(Eval("msg:header('N', 5); return msg:header('n')[1]"), "5");
}

TEST_F(BindingsTest, MsgHeaderErrors) {
  ExpectError("msg:header()", "bad argument #1 to 'header' (string expected");
  ExpectError("msg:header('')",
              "bad argument #1 to 'header' (not a header name)");
  ExpectError("msg:header('a:b')", "not a header name");
  ExpectError("msg:header('a', 'x\\r\\nBcc: y')",
              "bad argument #2 to 'header' (a header value must not hold line "
              "breaks or NUL)");
  for (const char* value : {"'x\\0y'", "'x\\ry'", "'x\\ny'"})
    ExpectError("msg:header('a', " + std::string(value) + ")", "line breaks or NUL");
  ExpectError("msg:header('a', {})", "string expected, got table");
  ExpectError("msg.header({}, 'a')", "msg expected, got table");
  ExpectError("msg.header(vctx, 'a')", "msg expected, got vctx");
}

TEST_F(BindingsTest, MsgEnvelope) {
  EXPECT_EQ(Eval("return msg:mailfrom('a@b'), msg:mailfrom()"), "a@b a@b");
  EXPECT_EQ(Eval("vctx:add_recipient('r@x'); return msg:rcptto()"), "r@x");
  EXPECT_EQ(Eval("msg:rcptto('s@x'); return vctx:recipient_list()[1]"), "s@x");
  ExpectError("msg:rcptto('')", "an address is wanted, got an empty string");
  ExpectError("msg:mailfrom({})", "string expected, got table");
}

TEST_F(BindingsTest, MsgDiscard) {
  EXPECT_FALSE(connection_->message().discarded());
  EXPECT_EQ(Eval("return msg:discard()"), "");
  EXPECT_TRUE(connection_->message().discarded());
}

TEST_F(BindingsTest, MsgParts) {
  EXPECT_EQ(Eval("local t = {} for p in msg:parts() do t[#t+1] = "
                 "p.content_type .. '|' .. tostring(p.filename) .. '|' .. "
                 "tostring(p.disposition) .. '|' .. p.size end "
                 "return table.concat(t, ' ')"),
            "text/plain|nil|nil|5 image/png|p.png|attachment|3");
  EXPECT_EQ(
      Eval("for p in msg:parts() do if p.filename then "
           "return p:body() == '\\0\\1\\2', tostring(p), p.other end end"),
      "true part: 2 of c0-1 nil");
  EXPECT_EQ(Eval("local f, g = msg:parts(), msg:parts(); local a = f(); "
                 "return a == g(), a == g()"),
            "true false");
  ExpectError("local p = msg:parts()() p.body(msg)", "part expected, got msg");
}

TEST_F(BindingsTest, Contexts) {
  EXPECT_EQ(Eval("local c = msys.core "
                 "vctx:set(c.VCTX_MESS, 'k', 'v') "
                 "return msg:context_get(c.VCTX_MESS, 'k'), "
                 "vctx:get(c.VCTX_CONN, 'k'), vctx:exists(c.VCTX_MESS, 'k'), "
                 "msg:context_exists(c.VCTX_TRANS, 'k')"),
            "v nil true false");
  EXPECT_EQ(Eval("local c = msys.core msg:context_set(c.VCTX_CONN, 'n', 12) "
                 "return vctx:get(c.VCTX_CONN, 'n'), "
                 "msg:context_delete(c.VCTX_CONN, 'n'), "
                 "msg:context_delete(c.VCTX_CONN, 'n')"),
            "12 true false");
  EXPECT_EQ(Eval("vctx:set(msys.core.VCTX_CONN, 'a\\0b', 'c\\0d') "
                 "return #vctx:get(msys.core.VCTX_CONN, 'a\\0b')"),
            "3");
}

TEST_F(BindingsTest, ContextErrorsSayTheTwoPartForm) {
  ExpectError("vctx:get('key')",
              "bad argument #1 to 'get' (a context is wanted before the key, "
              "as in vctx:get(msys.core.VCTX_MESS, key); got string)");
  ExpectError("msg:context_set('key', 'value')",
              "as in msg:context_set(msys.core.VCTX_MESS, key); got string");
  ExpectError("vctx:get(9, 'key')",
              "no context 9; it is msys.core.VCTX_CONN, VCTX_MESS or "
              "VCTX_TRANS");
  ExpectError("vctx:set(msys.core.VCTX_CONN, 'k')",
              "bad argument #3 to 'set' (string expected, got no value)");
  ExpectError("vctx:set(msys.core.VCTX_CONN, 'k', true)",
              "string expected, got boolean");
  ExpectError("vctx:exists(msys.core.VCTX_CONN)",
              "bad argument #2 to 'exists'");
}

TEST_F(BindingsTest, VctxReplies) {
  EXPECT_EQ(Eval("vctx:set_code(550, 'no')"), "");
  Reply reply = connection_->TakeReply();
  EXPECT_EQ(reply.code, 550);
  EXPECT_EQ(reply.text, "no");
  EXPECT_FALSE(reply.disconnect);
  EXPECT_EQ(connection_->TakeReply().code, 0);
  Eval("vctx:disconnect(421, 'bye') vctx:set_code(250)");
  reply = connection_->TakeReply();
  EXPECT_EQ(reply.code, 421);
  EXPECT_TRUE(reply.disconnect);
  ExpectError("vctx:set_code(199)",
              "bad argument #1 to 'set_code' (reply code 199 is not from 200 "
              "to 599)");
  ExpectError("vctx:set_code('no')", "number expected, got string");
  ExpectError("vctx:disconnect(250, 'x')", "not from 400 to 599");
  ExpectError("vctx.set_code(msg, 250)", "vctx expected, got msg");
}

TEST_F(BindingsTest, VctxRecipients) {
  EXPECT_EQ(Eval("return vctx:add_recipient('a@x'), vctx:add_recipient('b@x'), "
                 "vctx:add_recipient('A@X'), #vctx:recipient_list()"),
            "true true false 2");
  EXPECT_EQ(Eval("return vctx:remove_recipient('a@x'), "
                 "vctx:remove_recipient('a@x'), vctx:recipient_list()[1]"),
            "true false b@x");
  ExpectError("vctx:add_recipient('')", "got an empty string");
  for (const char* call : {"vctx:add_recipient", "vctx:remove_recipient", "msg:mailfrom",
                           "msg:rcptto"})
    for (const char* bytes : {"\\r\\nX-Evil: 1", "\\0", "\\127"})
      ExpectError(std::string(call) + "('a@x" + bytes + "')",
                  "an address must not hold line breaks, NUL or other control characters");
  EXPECT_EQ(Eval("return msg:mailfrom('')"), "") << "a bounce has no sender";
  ExpectError("msg:header('To', ('a:'):rep(1001))", "must not hold more than 1000 colons");
  ExpectError("vctx:remove_recipient()", "string expected, got no value");
}

TEST_F(BindingsTest, AHeaderThatIsChangedTooEarlyWouldBeLost) {
  connection_->BeginTransaction();
  PushMsg(L_.get(), &connection_->message());
  lua_setglobal(L_.get(), "early");
  EXPECT_EQ(Eval("return #early:header('Subject')"), "0");
  for (const char* value : {"'v'", "nil"})
    ExpectError(std::string("early:header('X', ") + value + ")",
                "msg:header: the mail has not come yet; its headers can be changed from "
                "validate_data on");
}

TEST_F(BindingsTest, RegisterModule) {
  EXPECT_EQ(
      Eval("msys.registerModule('a', {}) msys.registerModule('b', {x=1})"), "");
  EXPECT_EQ(ModuleCount(L_.get()), 2);
  EXPECT_STREQ(PushModule(L_.get(), 2), "b");
  lua_getfield(L_.get(), -1, "x");
  EXPECT_EQ(lua_tointeger(L_.get(), -1), 1);
  ExpectError("msys.registerModule('a', {})",
              "bad argument #1 to 'registerModule' (a module \"a\" is "
              "registered already)");
  ExpectError("msys.registerModule('', {})", "a module needs a name");
  ExpectError("msys.registerModule('c')",
              "bad argument #2 to 'registerModule' (table expected");
}

TEST_F(BindingsTest, AModuleIsCheckedWhenItIsRegistered) {
  ExpectError("msys.registerModule('a', {validate_data = 'x'})",
              "bad argument #2 to 'registerModule' (validate_data is a string; a "
              "function is wanted)");
  ExpectError("msys.registerModule('a', {init = {}})", "init is a table; a function");
  EXPECT_EQ(ModuleCount(L_.get()), 0);
  testing::internal::CaptureStderr();
  Eval("msys.registerModule('a', {validate_mailform = print, other = 1, [1] = 2,"
       " validate_ehlo = setmetatable({}, {__call = print}), init = print})");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("warning a: this host has no phase that calls validate_mailform\n"),
            std::string::npos) << log;
  EXPECT_EQ(log.find("validate_ehlo"), std::string::npos);
  EXPECT_EQ(ModuleCount(L_.get()), 1);
}

TEST_F(BindingsTest, PrintGoesToTheLog) {
  testing::internal::CaptureStderr();
  Eval(
      "print('a', nil, 1.5, setmetatable({}, {__tostring = function() return "
      "'obj' end}), 'bell\\a')");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find(" info lua: a\tnil\t1.5\tobj\tbell\\x07\n"),
            std::string::npos)
      << log;
}

TEST_F(BindingsTest, MetatablesAreLockedAndHaveNoConcat) {
  EXPECT_EQ(Eval("return getmetatable(msg), getmetatable(vctx)"),
            "locked locked");
  ExpectError("return 'a' .. msg", "attempt to concatenate");
}

// A closure may keep msg after its session.
TEST_F(BindingsTest, HandlesOutliveTheSession) {
  Eval("kept, keptpart = msg, msg:parts()()  msg, vctx, ac = nil");
  connection_ = {};
  EXPECT_EQ(Eval("collectgarbage() return kept.id, #kept:raw() > 0, "
                 "keptpart:body()"),
            "c0-1 true hello");
}

TEST_F(BindingsTest, AFinalisedHandleSaysSo) {
  ExpectError(
      "local mt = debug.getmetatable(msg) mt.__gc(msg) mt.__gc(msg) "
      "return msg:raw()",
      "this msg has been finalised");
}

// Every allocation of every call fails once: no leak, no crash.
TEST_F(BindingsTest, OutOfMemoryIsAnErrorAndNothingMore) {
  struct Memory {
    lua_Alloc alloc;
    void* ud;
    int left;
  } memory{nullptr, nullptr, -1};
  lua_State* L = L_.get();
  memory.alloc = lua_getallocf(L, &memory.ud);
  const auto failing = [](void* ud, void* ptr, std::size_t osize,
                          std::size_t nsize) -> void* {
    auto* m = static_cast<Memory*>(ud);
    if (nsize > (ptr ? osize : 0) && m->left >= 0 && m->left-- == 0) {
      m->left = 0;  // stays out of memory until told otherwise
      return nullptr;
    }
    return m->alloc(m->ud, ptr, osize, nsize);
  };
  for (const char* chunk :
       {"return msg:header('x-a')", "return msg:raw()", "return msg:text()",
        "local p = msg:parts()() return p:body(), p.content_type",
        "vctx:add_recipient('q@x') return vctx:recipient_list()",
        "return tostring(ac), ac.conn_id",
        "return vctx:get(msys.core.VCTX_MESS, 'k')",
        "msys.registerModule('m' .. tostring({}), {})"}) {
    int failures = 0;
    for (;; ++failures) {
      ASSERT_LT(failures, 200) << chunk;
      lua_settop(L, 0);
      ASSERT_EQ(luaL_loadstring(L, chunk), LUA_OK);
      lua_gc(L, LUA_GCCOLLECT);
      lua_gc(L, LUA_GCSTOP);
      memory.left = failures;
      lua_setallocf(L, failing, &memory);
      const int status = lua_pcall(L, 0, LUA_MULTRET, 0);
      lua_setallocf(L, memory.alloc, memory.ud);
      lua_gc(L, LUA_GCRESTART);
      if (status == LUA_OK) break;
      EXPECT_EQ(status, LUA_ERRMEM) << chunk;
    }
    EXPECT_GT(failures, 0) << chunk;
  }
}

}  // namespace
}  // namespace hostsim
