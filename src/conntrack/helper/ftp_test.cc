// The scanner of FTP control connections, fed byte by byte as its user does.
#include "conntrack/helper/ftp.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/address.h"

namespace sluice::conntrack::ftp {
namespace {

using Step = Scanner::Step;

std::string describe(const Announcement& a) {
  static constexpr const char* kForms[] = {"PORT", "EPRT", "227", "229"};
  std::string text = kForms[static_cast<unsigned>(a.form)];
  if (a.form != Announcement::Form::Epsv)
    text += " " + (a.is_ipv6 ? net::format_ipv6(a.address) : net::format_ipv4(net::v4_of(a.address)));
  return text + " " + std::to_string(a.port);
}

/// What the stream announces: each with the bytes that were held for it.
std::vector<std::string> scan(Speaker speaker, std::string_view stream) {
  Scanner scanner(speaker);
  std::vector<std::string> found;
  std::string held;
  for (const char c : stream) {
    const Step step = scanner.feed(static_cast<std::uint8_t>(c));
    EXPECT_FALSE(step == Step::Pass && !held.empty()) << "held bytes forgotten in " << stream;
    if (step == Step::Pass) continue;
    EXPECT_FALSE(step != Step::Hold && held.empty()) << "nothing held in " << stream;
    held += c;
    EXPECT_LE(held.size(), kMaxHeld);
    if (step == Step::Found) found.push_back(describe(scanner.found()) + " [" + held + "]");
    if (step != Step::Hold) held.clear();
  }
  return found;
}
std::vector<std::string> client(std::string_view stream) {
  return scan(Speaker::Client, stream);
}
std::vector<std::string> server(std::string_view stream) {
  return scan(Speaker::Server, stream);
}
using List = std::vector<std::string>;

TEST(FtpClient, Port) {
  EXPECT_EQ(client("PORT 10,0,0,1,156,64\r\n"), List{"PORT 10.0.0.1 40000 [10,0,0,1,156,64\r]"});
  EXPECT_EQ(client("port 10,0,0,1,0,21\n"), List{"PORT 10.0.0.1 21 [10,0,0,1,0,21\n]"});
  EXPECT_EQ(client("PoRt \t 255,255,255,255,255,255 \r\n"),
            List{"PORT 255.255.255.255 65535 [255,255,255,255,255,255 ]"});
  EXPECT_EQ(client("USER x\r\nPORT 1,2,3,4,5,6\r\nLIST\r\nPORT 1,2,3,4,5,7\r\n"),
            (List{"PORT 1.2.3.4 1286 [1,2,3,4,5,6\r]", "PORT 1.2.3.4 1287 [1,2,3,4,5,7\r]"}));
}

TEST(FtpClient, NotPort) {
  for (const char* text :
       {"PORT 10,0,0,1,156\r\n", "PORT 10,0,0,1,156,64,1\r\n", "PORT 10,0,0,256,156,64\r\n",
        "PORT 10,0,0,1,156,64x\r\n", "PORT 10,0,,1,156,64\r\n", "PORT 10.0.0.1,156,64\r\n",
        "PORT 0010,0,0,1,156,64\r\n", "PORT 10,0,0,1,0,0\r\n", "PORT -1,0,0,1,1,1\r\n", "PORT\r\n",
        "PORT \r\n", "PORTS 10,0,0,1,156,64\r\n", "XPORT 10,0,0,1,156,64\r\n", " PORT 10,0,0,1,156,64\r\n",
        "STOR PORT 10,0,0,1,156,64\r\n", "PORT 10,0,0,1,156,\r\n64\r\n", "POR\nT 1,2,3,4,5,6\r\n"})
    EXPECT_EQ(client(text), List{}) << text;
}

TEST(FtpClient, Eprt) {
  EXPECT_EQ(client("EPRT |1|10.0.0.1|40000|\r\n"), List{"EPRT 10.0.0.1 40000 [|1|10.0.0.1|40000|]"});
  EXPECT_EQ(client("EPRT |2|fd00::1|6446|\r\n"), List{"EPRT fd00::1 6446 [|2|fd00::1|6446|]"});
  EXPECT_EQ(client("eprt !1!1.2.3.4!1!\r\n"), List{"EPRT 1.2.3.4 1 [!1!1.2.3.4!1!]"});
  EXPECT_EQ(client("EPRT |2|1234:5678:9abc:def0:1234:5678:123.123.123.123|65535|\r\n"),
            List{"EPRT 1234:5678:9abc:def0:1234:5678:7b7b:7b7b 65535 "
                 "[|2|1234:5678:9abc:def0:1234:5678:123.123.123.123|65535|]"});
}

TEST(FtpClient, NotEprt) {
  for (const char* text :
       {"EPRT |1|fd00::1|40000|\r\n", "EPRT |2|10.0.0.1|40000|\r\n", "EPRT |3|10.0.0.1|40000|\r\n",
        "EPRT |1|10.0.0.1|65536|\r\n", "EPRT |1|10.0.0.1|0|\r\n", "EPRT |1|10.0.0.1|40000\r\n|\r\n",
        "EPRT |1|10.0.0.1|400000|\r\n", "EPRT 1|10.0.0.1|40000|\r\n", "EPRT |11|10.0.0.1|40000|\r\n",
        "EPRT |1|10.0.0.1|40000!\r\n", "EPRT |||40000|\r\n", "EPRT |2|fd00::1%eth0|40000|\r\n",
        "EPRT 212121.1.1.12112\r\n"})
    EXPECT_EQ(client(text), List{}) << text;
  EXPECT_EQ(client("EPRT |2|" + std::string(500, 'f') + "|1|\r\nPORT 1,2,3,4,5,6\r\n").size(), 1u);
}

TEST(FtpServer, Pasv) {
  EXPECT_EQ(server("227 Entering Passive Mode (10,0,0,2,156,65)\r\n"),
            List{"227 10.0.0.2 40001 [10,0,0,2,156,65)]"});
  EXPECT_EQ(server("227 Entering Passive Mode 10,0,0,2,156,65\r\n"),
            List{"227 10.0.0.2 40001 [10,0,0,2,156,65\r]"});
  EXPECT_EQ(server("227 =10,0,0,2,156,65\n"), List{"227 10.0.0.2 40001 [10,0,0,2,156,65\n]"});
  EXPECT_EQ(server("227 in 7 seconds at 1234 or 300,1 (10,0,0,2,156,65).\r\n"),
            List{"227 10.0.0.2 40001 [10,0,0,2,156,65)]"});
  EXPECT_EQ(server("220 hi\r\n227 (1,2,3,4,5,6)\r\n226 ok\r\n227 (1,2,3,4,5,7)\r\n").size(), 2u);
}

TEST(FtpServer, MultiLineReplies) {
  EXPECT_EQ(server("227-Entering Passive Mode\r\n some text (9,9,9,9,9,9)\r\n227 (10,0,0,2,156,65)\r\n"),
            List{"227 10.0.0.2 40001 [10,0,0,2,156,65)]"});
  EXPECT_EQ(server("227-(10,0,0,2,156,65)\r\n227-more\r\n227 done\r\n"),
            List{"227 10.0.0.2 40001 [10,0,0,2,156,65)]"});
  // A message of the day is no reply to PASV.
  EXPECT_EQ(server("230-Welcome\r\n227 Entering Passive Mode (10,0,0,2,156,65)\r\n230 in\r\n"), List{});
  EXPECT_EQ(server("230-Welcome\r\n230-still\r\n229 (|||5|)\r\n230 in\r\n229 (|||6|)\r\n"),
            List{"229 6 [6|]"});
  EXPECT_EQ(server("227-(1,2,3,4,5,6)\r\n229 (|||5|)\r\n227 end\r\n229 (|||6|)\r\n").size(), 2u);
}

TEST(FtpServer, NotPasv) {
  for (const char* text :
       {"227 (10,0,0,2,156)\r\n", "227 (10,0,0,2,156,65,1)\r\n", "227 (10,0,0,2,1560,65)\r\n",
        "227 (10,0,0,2,0,0)\r\n", "227\r\n(10,0,0,2,156,65)\r\n", "2270 (10,0,0,2,156,65)\r\n",
        "228 (10,0,0,2,156,65)\r\n", " 227 (10,0,0,2,156,65)\r\n", "22\n7 (10,0,0,2,156,65)\r\n",
        "227 (|||5|)\r\n", "227 1,2,3,4,5,\r\n6\r\n", "227 1, 2, 3, 4, 5, 6\r\n",
        "227_(10,0,0,2,156,65)\r\n"})
    EXPECT_EQ(server(text), List{}) << text;
}

TEST(FtpServer, Epsv) {
  EXPECT_EQ(server("229 Entering Extended Passive Mode (|||40001|)\r\n"), List{"229 40001 [40001|]"});
  EXPECT_EQ(server("229 (not) this (!!!1!)\r\n"), List{"229 1 [1!]"});
  EXPECT_EQ(server("229 ((|||5|)\r\n"), List{"229 5 [5|]"});
  for (const char* text : {"229 (||40001|)\r\n", "229 (|||40001)\r\n", "229 (|||65536|)\r\n",
                           "229 (|||0|)\r\n", "229 |||40001|\r\n", "229 (|1|10.0.0.2|40001|)\r\n",
                           "229 (||!5|)\r\n", "229 (|||\r\n5|)\r\n", "229 (10,0,0,2,156,65)\r\n"})
    EXPECT_EQ(server(text), List{}) << text;
}

TEST(FtpBoth, NothingFromTheOtherSide) {
  EXPECT_EQ(server("PORT 10,0,0,1,156,64\r\nEPRT |1|10.0.0.1|40000|\r\n"), List{});
  EXPECT_EQ(client("227 (10,0,0,2,156,65)\r\n229 (|||40001|)\r\n"), List{});
}

TEST(FtpBoth, SkippedLineAnnouncesNothing) {
  Scanner scanner(Speaker::Client);
  scanner.skip_line();
  unsigned found = 0;
  for (const char c : std::string_view("PORT 1,2,3,4,5,6\r\nPORT 1,2,3,4,5,7\r\n"))
    found += scanner.feed(static_cast<std::uint8_t>(c)) == Step::Found;
  EXPECT_EQ(found, 1u);
  EXPECT_EQ(scanner.found().port, 1287);
}

/// What is written is read back as what was written, and ends as it ended.
TEST(FtpWrite, ReadBack) {
  const be128 v4 = net::v4_mapped(*net::parse_ipv4("203.0.113.200")), v6 = *net::parse_ipv6("2001:db8::a:b");
  using Form = Announcement::Form;
  const struct {
    Announcement announcement;
    char end;
    const char* before;
    const char* text;
  } rows[] = {
      {{.form = Form::Port, .port = 65535, .address = v4}, '\r', "PORT ", "203,0,113,200,255,255\r"},
      {{.form = Form::Pasv, .port = 1, .address = v4}, ')', "227 (", "203,0,113,200,0,1)"},
      {{.form = Form::Eprt, .delimiter = '!', .port = 256, .address = v4},
       '!',
       "EPRT ",
       "!1!203.0.113.200!256!"},
      {{.form = Form::Eprt, .is_ipv6 = true, .port = 21, .address = v6},
       '|',
       "EPRT ",
       "|2|2001:db8::a:b|21|"},
      {{.form = Form::Epsv, .port = 50000}, '|', "229 (|||", "50000|"},
  };
  for (const auto& row : rows) {
    const Text text = write(row.announcement, row.end);
    EXPECT_EQ(std::string(text.bytes.data(), text.size), row.text);
    Scanner scanner(row.before[0] == '2' ? Speaker::Server : Speaker::Client);
    for (const char c : std::string_view(row.before)) scanner.feed(static_cast<std::uint8_t>(c));
    Step last = Step::Pass;
    for (unsigned i = 0; i < text.size; ++i) last = scanner.feed(static_cast<std::uint8_t>(text.bytes[i]));
    ASSERT_EQ(last, Step::Found) << row.text;
    EXPECT_EQ(scanner.found(), row.announcement);
  }
}

}  // namespace
}  // namespace sluice::conntrack::ftp
