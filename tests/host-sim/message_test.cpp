#include "message.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>

#include "mail_source.h"

namespace hostsim {
namespace {

using Strings = std::vector<std::string>;

Ref<Message> Make(std::string bytes) {
  InitGMime();
  Ref<Message> message(
      new Message(nullptr, "id-1", Ref<Dictionary>(new Dictionary)));
  message->SetContent(std::make_shared<const std::string>(std::move(bytes)));
  return message;
}

Strings Headers(Message& message, const char* name) {
  Strings out;
  int position = 0;
  while (const char* value = message.NextHeader(name, &position))
    out.push_back(value);
  return out;
}

Strings Types(Message& message) {
  Strings out;
  for (std::size_t i = 0; const MimePart* part = message.Part(i); ++i)
    out.push_back(part->content_type);
  return out;
}

constexpr char kNested[] =
    "Subject: nested\n"
    "MIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=a\n\n"
    "--a\n"
    "Content-Type: multipart/alternative; boundary=b\n\n"
    "--b\nContent-Type: text/plain; charset=utf-8\n\nplain\n"
    "--b\nContent-Type: text/html\n\n<p>html</p>\n"
    "--b--\n"
    "--a\n"
    "Content-Type: message/rfc822\n\n"
    "Subject: inner\nContent-Type: text/plain\n\ninner text\n"
    "--a\n"
    "Content-Type: Application/Octet-Stream\n"
    "Content-Disposition: attachment; filename=\"d.bin\"\n"
    "Content-Transfer-Encoding: base64\n\n"
    "AAECAwQF\n"
    "--a--\n";

TEST(MessageTest, WalksLeavesInOrderAttachedMailsIncluded) {
  const auto message = Make(kNested);
  EXPECT_EQ(Types(*message), (Strings{"text/plain", "text/html", "text/plain",
                                      "application/octet-stream"}));
  const MimePart* last = message->Part(3);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->filename, "d.bin");
  EXPECT_EQ(last->disposition, "attachment");
  EXPECT_EQ(message->PartBody(3), std::string("\0\1\2\3\4\5", 6));
  EXPECT_EQ(message->Part(0)->filename, std::nullopt);
  EXPECT_EQ(message->Part(4), nullptr);
  EXPECT_EQ(message->PartBody(4), "");
}

// A part says what it is as long as its headers do.
TEST(MessageTest, PartsAreFoundAnewWhenTheirHeadersChange) {
  const auto message = Make("Content-Type: text/plain; name=a.txt\n"
                            "Content-Disposition: attachment; filename=b.txt\n\nbody\n");
  ASSERT_EQ(message->Part(0)->filename, "b.txt");
  EXPECT_EQ(message->PartBody(0), "body\n");
  message->RemoveHeader("Content-Disposition");
  EXPECT_EQ(message->Part(0)->disposition, std::nullopt);
  EXPECT_EQ(message->Part(0)->filename, "a.txt");
  message->SetHeader("Content-Type", "text/html");
  EXPECT_EQ(message->Part(0)->content_type, "text/html");
  EXPECT_EQ(message->Part(0)->filename, std::nullopt);
  EXPECT_EQ(message->PartBody(0), "body\n");
  EXPECT_EQ(message->Part(1), nullptr);
}

TEST(MessageTest, TextIsDecodedToUtf8) {
  const auto message = Make(
      "Content-Type: text/plain; charset=iso-8859-1\n"
      "Content-Transfer-Encoding: quoted-printable\n\ncaf=E9\n");
  EXPECT_EQ(message->Text(nullptr), "caf\xc3\xa9\n");
  EXPECT_EQ(message->PartBody(0), "caf\xe9\n");  // bytes, not characters
}

TEST(MessageTest, TextByType) {
  const auto message = Make(kNested);
  EXPECT_EQ(message->Text("text/html"), "<p>html</p>");
  EXPECT_EQ(message->Text("TEXT/PLAIN"), "plain\ninner text");
  EXPECT_EQ(message->Text("text/csv"), "");
}

TEST(MessageTest, TextDoesNotEndAtANul) {
  const auto message = Make(
      "Content-Type: text/plain; charset=utf-8\n"
      "Content-Transfer-Encoding: base64\n\nYQBi\n");
  EXPECT_EQ(message->Text(nullptr), std::string("a\0b", 3));
}

TEST(MessageTest, TextInAnUnknownCharsetStaysAsItIs) {
  const auto message =
      Make("Content-Type: text/plain; charset=x-nonsense\n\n\xff\xfe\n");
  EXPECT_EQ(message->Text(nullptr), "\xff\xfe\n");
}

TEST(MessageTest, TextLeavesAttachmentsOut) {
  const auto message =
      Make("Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n");
  EXPECT_EQ(message->Text(nullptr), "");
}

TEST(MessageTest, HeadersAreDecodedUnfoldedAndInOrder) {
  const auto message = Make(
      "Received: one\nSubject: =?utf-8?B?w6TDtsO8?= and\n more\n"
      "received: two\n\n");
  EXPECT_EQ(Headers(*message, "SUBJECT"),
            Strings{"\xc3\xa4\xc3\xb6\xc3\xbc and more"});
  EXPECT_EQ(Headers(*message, "Received"), (Strings{"one", "two"}));
  EXPECT_TRUE(Headers(*message, "X-None").empty());
}

TEST(MessageTest, ContentHeadersAreFoundToo) {
  const auto message = Make("Content-Type: text/html\nSubject: x\n\n");
  EXPECT_EQ(Headers(*message, "content-type"), Strings{"text/html"});
}

TEST(MessageTest, RawIsWhatCameUntilAHeaderChanges) {
  const std::string raw = "X-A: 1\nSubject:   odd   spaces\n\nbody\n";
  const auto message = Make(raw);
  EXPECT_EQ(message->Raw(), raw);
  message->SetHeader("X-New", "v");
  EXPECT_EQ(message->Raw(),
            "X-A: 1\nSubject:   odd   spaces\nX-New: v\n\nbody\n");
}

TEST(MessageTest, ChangedMailKeepsItsLineEnds) {
  const auto message = Make("Subject: a\r\n\r\nbody\r\n");
  message->SetHeader("X", "y");
  EXPECT_EQ(message->Raw(), "Subject: a\r\nX: y\r\n\r\nbody\r\n");
}

TEST(MessageTest, AnEmptyMailGetsTheLineEndsOfSmtp) {
  const auto message = Make("");
  message->SetHeader("X", "y");
  EXPECT_EQ(message->Raw(), "X: y\r\n");
}

TEST(MessageTest, SetReplacesAllAndRemoveRemovesAll) {
  const auto message = Make("X-A: 1\nX-B: 2\nx-a: 3\nX-A: 4\n\nb\n");
  message->SetHeader("X-A", "new");
  EXPECT_EQ(Headers(*message, "X-A"), Strings{"new"});
  EXPECT_EQ(Headers(*message, "X-B"), Strings{"2"});
  EXPECT_EQ(message->Raw(), "X-A: new\nX-B: 2\n\nb\n");
  message->SetHeader("X-A", "newer");
  EXPECT_EQ(message->Raw(), "X-A: newer\nX-B: 2\n\nb\n");
  message->RemoveHeader("X-A");
  EXPECT_TRUE(Headers(*message, "X-A").empty());
  EXPECT_EQ(message->Raw(), "X-B: 2\n\nb\n");
}

// Neither GMime's idea of the rest of the header nor that of the body: a mail may be
// signed, and what stores it may be strict.
TEST(MessageTest, AChangedHeaderLeavesAllElseAsItCame) {
  const Strings headers = {"Subject:  a\n", "Subject: a\r\n", "A: b\nSubject\t: a\n c\n",
                           "Subject: a\nno field\n more\nTo: x\n", "\xc3\xa4: b\n",
                           "From me Mon\nSubject: a\n", ">From me Mon\nSubject: a\n",
                           "Subject: a\n\r\r\nTo: b\n", "Subject: a\n: b\n"};
  const Strings bodies = {
      "",
      "\n",
      "\nbody",
      "\n\n\n",
      "\r\nbody\nbare\rends\r\n",
      "\nb\n--b\n\npart\n",
      "\n--b\n--b--",
      "\nb\n--b\nContent-Type: message/rfc822\n\n--b\n\nhello\n--b--\nepilogue\n",
  };
  for (const char* type : {"", "Content-Type: multipart/mixed; boundary=b\n"}) {
    for (const std::string& header : headers) {
      for (const std::string& body : bodies) {
        const std::string raw = header + type + body;
        const auto message = Make(raw);
        const bool parted = message->Part(0) != nullptr;
        message->SetHeader("X-New", "1");
        EXPECT_EQ(Headers(*message, "x-new"), Strings{"1"}) << raw;
        EXPECT_TRUE(message->Raw().ends_with(body)) << raw;
        message->SetHeader("X-New", "22");
        EXPECT_EQ(Headers(*message, "x-new"), Strings{"22"}) << raw;
        EXPECT_EQ(message->Part(0) != nullptr, parted) << raw;
        message->RemoveHeader("x-NEW");
        EXPECT_TRUE(Headers(*message, "X-New").empty());
        EXPECT_EQ(message->Raw(), raw);
      }
    }
  }
}

TEST(MessageTest, MailsOfTheCorpusAreAsTheyCameButForTheField) {
  const Strings paths{HOSTSIM_CORPUS};
  const MailSet set = LoadMail(paths);
  ASSERT_GT(set.mails.size(), 50u);
  for (const Mail& mail : set.mails) {
    const auto message = Make(*mail.bytes);
    message->SetHeader("X-New", "1");
    EXPECT_EQ(Headers(*message, "X-New"), Strings{"1"}) << mail.origin;
    std::string without(message->Raw());
    const std::size_t at = without.find("X-New: 1");
    ASSERT_NE(at, without.npos) << mail.origin;
    without.erase(at, without.find('\n', at) + 1 - at);
    // What begins with neither header nor empty line gets one, too.
    if (at == 0 && mail.bytes->find_first_of("\r\n") != 0)
      without.erase(0, without.find('\n') + 1);
    EXPECT_EQ(without, *mail.bytes) << mail.origin;
  }
}

// Others may take a line that is no field for the end of the header.
TEST(MessageTest, AFieldIsPutBeforeWhatIsNone) {
  const auto message = Make("Subject: a\nno field\nX-Spam: no\n\nb\n");
  message->SetHeader("X-Spam", "yes");
  EXPECT_EQ(message->Raw(), "Subject: a\nX-Spam: yes\nno field\n\nb\n");
  message->RemoveHeader("Subject");
  EXPECT_EQ(message->Raw(), "X-Spam: yes\nno field\n\nb\n");
  // Where no field stays, a line that is none would make all of it a body.
  message->RemoveHeader("X-Spam");
  EXPECT_EQ(message->Raw(), "\nb\n");
  EXPECT_EQ(message->Text(nullptr), "b\n");
}

// Whatever the bytes: a field that is set is there, also for who gets the mail, and
// hides nothing; one that is removed is gone.
TEST(MessageTest, AnyBytesTakeAField) {
  const std::string_view pieces[] = {
      "\n", "\r\n", "\r", "\n\n", "X-A", ":", " ", "\t", "a", "From ", ">", "Subject: s",
      "To: b", "X-A: 1", "x-a : 2", "--b", "Content-Type: multipart/mixed; boundary=b",
      "\xc3\xa4", "\x01", "no field"};
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string raw;
    for (auto left = random() % 14; left > 0; --left)
      raw += pieces[random() % std::size(pieces)];
    SCOPED_TRACE(testing::PrintToString(raw));
    const auto message = Make(raw);
    const Strings to = Headers(*message, "To");
    const std::string text(message->Text(nullptr));
    message->SetHeader("X-A", "new");
    const auto stored = Make(std::string(message->Raw()));
    for (Message* one : {message.get(), stored.get()}) {
      ASSERT_EQ(Headers(*one, "X-A"), Strings{"new"});
      ASSERT_EQ(Headers(*one, "To"), to);
      ASSERT_EQ(one->Text(nullptr), text);
    }
    message->RemoveHeader("X-A");
    ASSERT_TRUE(Headers(*message, "X-A").empty());
    ASSERT_EQ(Headers(*message, "To"), to);
  }
}

TEST(MessageTest, AHeaderWithoutAnEndIsChangedToo) {
  const auto message = Make("Subject: a\r\nTo: b");
  message->SetHeader("X", "y");
  EXPECT_EQ(message->Raw(), "Subject: a\r\nTo: b\r\nX: y\r\n");
  message->RemoveHeader("To");
  message->RemoveHeader("X");
  message->RemoveHeader("Subject");
  EXPECT_EQ(message->Raw(), "");
  message->SetHeader("X", "y");
  EXPECT_EQ(Headers(*message, "X"), Strings{"y"});
}

// A value is what the policy has said, whether or not GMime could parse it.
TEST(MessageTest, ValuesAreWhatWasSet) {
  const std::string word(200, 'w');
  for (const std::string& value :
       {std::string("nonsense"), std::string("@@@<<"), std::string("a;  b=\"c  d\""),
        std::string(), word, std::string("\xc3\xa4 and \xe2\x82\xac")}) {
    for (const char* name : {"To", "Content-Type", "X-Any", "Message-ID"}) {
      if (value[0] == '\xc3' && std::string(name) != "X-Any") continue;
      const auto message = Make("Subject: a\n\nb\n");
      message->SetHeader(name, value.c_str());
      EXPECT_EQ(Headers(*message, name), Strings{value}) << name;
    }
  }
  const auto message = Make("Subject: a\r\n\r\nb\r\n");
  std::string words;
  for (int i = 0; i < 40; ++i) words += (i ? " word" : "word") + std::to_string(i);
  message->SetHeader("X-Long", words.c_str());
  EXPECT_EQ(Headers(*message, "X-Long"), Strings{words});
  // A list of addresses, too, and one that is folded.
  message->SetHeader("Cc", "\xc3\x84nne <a@x.example>");
  EXPECT_EQ(Headers(*message, "Cc"), Strings{"\xc3\x84nne <a@x.example>"});
  message->SetHeader("To", "\xc3\x84nne <a@x.example>, Bj\xc3\xb6rn <b@x.example>");
  std::string_view raw = message->Raw();
  while (!raw.empty()) {
    const std::size_t end = raw.find("\r\n");
    ASSERT_NE(end, raw.npos);
    EXPECT_LE(end, 78u) << raw.substr(0, end);
    EXPECT_EQ(raw.substr(0, end).find_first_of("\r\n"), raw.npos);
    raw.remove_prefix(end + 2);
  }
}

TEST(MessageTest, PartsAreThoseThatTheHeaderSays) {
  const auto message = Make("Content-Type: text/plain\n\n--b\n\none\n--b\n\ntwo\n--b--\n");
  EXPECT_EQ(Types(*message), Strings{"text/plain"});
  message->SetHeader("X", "y");
  EXPECT_EQ(Types(*message), Strings{"text/plain"});
  message->SetHeader("Content-Type", "multipart/mixed; boundary=b");
  EXPECT_EQ(Types(*message), (Strings{"text/plain", "text/plain"}));
  EXPECT_EQ(message->PartBody(1), "two");
}

TEST(MessageTest, OddMailsHarmNobody) {
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 3000; ++i)
      text += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) +
              "\n\n--b" + std::to_string(i) + "\n";
    return text;
  }();
  for (const std::string& bytes :
       {std::string("x"), std::string("\n"), std::string(1, '\0'),
        std::string("Content-Type: multipart/mixed\n\n--none\n"),
        std::string("Content-Type: multipart/mixed; boundary=a\n\n--a\n"),
        std::string("Content-Transfer-Encoding: base64\n\n!!!!\n"),
        std::string("Content-Type: text/plain; charset=nonsense\n\n\xff\xfe\n"),
        deep}) {
    const auto message = Make(bytes);
    for (std::size_t i = 0; message->Part(i); ++i) message->PartBody(i);
    message->Text(nullptr);
    Headers(*message, "Subject");
    EXPECT_EQ(message->Raw(), bytes);
  }
}

TEST(MessageTest, WithoutContentThereIsNothing) {
  const Ref<Message> message(
      new Message(nullptr, "id", Ref<Dictionary>(new Dictionary)));
  EXPECT_EQ(message->Raw(), "");
  EXPECT_EQ(message->Part(0), nullptr);
  EXPECT_EQ(message->Text(nullptr), "");
  message->SetHeader("X", "y");
  EXPECT_TRUE(Headers(*message, "X").empty());
}

TEST(MessageTest, Recipients) {
  const auto message = Make("x");
  EXPECT_EQ(message->Rcptto(), "");
  EXPECT_TRUE(message->AddRecipient("a@x.example"));
  EXPECT_TRUE(message->AddRecipient("b@x.example"));
  EXPECT_FALSE(message->AddRecipient("A@X.example"));
  EXPECT_EQ(message->Rcptto(), "a@x.example");
  message->SetCurrentRcptto("b@x.example");
  message->ReplaceRcptto("c@x.example");
  EXPECT_EQ(message->Rcptto(), "c@x.example");
  EXPECT_EQ(message->recipients(), (Strings{"a@x.example", "c@x.example"}));
  message->ReplaceRcptto("C@x.example");
  EXPECT_EQ(message->recipients(), (Strings{"a@x.example", "C@x.example"}));
  // Two that become one get the mail once.
  message->ReplaceRcptto("A@x.example");
  EXPECT_EQ(message->Rcptto(), "A@x.example");
  EXPECT_EQ(message->recipients(), Strings{"a@x.example"});
  EXPECT_TRUE(message->RemoveRecipient("A@x.example"));
  EXPECT_FALSE(message->RemoveRecipient("a@x.example"));
}

TEST(MessageTest, ContextsAreApart) {
  const Ref<Dictionary> connection(new Dictionary);
  const Ref<Message> first(new Message(nullptr, "1", connection));
  const Ref<Message> second(new Message(nullptr, "2", connection));
  first->context(Message::Context::kConnection).Set("k", "conn");
  first->context(Message::Context::kMessage).Set("k", "mess");
  EXPECT_EQ(*second->context(Message::Context::kConnection).Find("k"), "conn");
  EXPECT_EQ(second->context(Message::Context::kMessage).Find("k"), nullptr);
  EXPECT_EQ(first->context(Message::Context::kTransaction).Find("k"), nullptr);
}

// A mail must not hide from policies, or from what they put into it, by its first line.
TEST(MessageTest, WhatDoesNotBeginWithAHeaderIsABody) {
  for (const char* first : {": x", " x", " : x", "hello", "\x01"}) {
    const std::string raw = std::string(first) + "\r\nSubject: y\r\n\r\nbody\r\n";
    const auto message = Make(raw);
    EXPECT_EQ(message->Text(nullptr), raw);
    EXPECT_EQ(Types(*message), Strings{"text/plain"});
    EXPECT_TRUE(Headers(*message, "Subject").empty());
    EXPECT_EQ(message->Raw(), raw);
    message->SetHeader("X-Spam", "yes");
    EXPECT_EQ(Headers(*message, "X-Spam"), Strings{"yes"});
    EXPECT_EQ(message->Raw(), "X-Spam: yes\r\n\r\n" + raw);
  }
  const auto nul = Make(std::string("\0x\nSubject: y\n", 14));
  EXPECT_EQ(nul->Text(nullptr), std::string_view("\0x\nSubject: y\n", 14));
}

}  // namespace
}  // namespace hostsim
