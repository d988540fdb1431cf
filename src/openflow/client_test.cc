#include "openflow/client.h"

#include <gmock/gmock.h>

#include "base/bytes.h"

namespace sluice::openflow {
namespace {

constexpr std::uint32_t bit(OfVersion version) {
  return 1u << static_cast<unsigned>(version);
}

std::vector<std::uint8_t> message(Body body, OfVersion version, std::uint32_t xid) {
  return encode(make_message(std::move(body), {.version = version}, xid));
}

/// What the client has to send, as text.
std::string output(Client& client) {
  return print(client.take_output());
}

TEST(Client, AgreesOnTheHighestVersionOfBoth) {
  Client client(bit(k10) | bit(k12) | bit(k14), 7);
  EXPECT_EQ(output(client), "OFPT_HELLO (OF1.4) (xid=0x7):\n version bitmap: 0x01, 0x03, 0x05\n");
  EXPECT_EQ(client.state(), Client::State::Hello);
  client.receive(message(Hello{.versions = bit(k10) | bit(k11) | bit(k12) | bit(k13)}, k13, 1));
  ASSERT_TRUE(client.next());
  EXPECT_EQ(client.state(), Client::State::Open);
  EXPECT_EQ(client.version(), k12);
}

TEST(Client, TellsAPeerWithoutACommonVersion) {
  Client client(bit(k10), 1);
  (void)client.take_output();
  client.receive(message(Hello{.versions = bit(k13)}, k13, 9));
  const auto next = client.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().message,
            "version negotiation failed (we support version 0x01, peer supports version 0x04)");
  EXPECT_EQ(client.state(), Client::State::Closed);
  EXPECT_EQ(output(client),
            "OFPT_ERROR (OF1.3) (xid=0x0): OFPHFC_INCOMPATIBLE\n"
            "We support version 0x01, you support version 0x04, no common versions.\n");
}

TEST(Client, ExpectsAHelloFirst) {
  Client client(bit(k13), 1);
  client.receive(message(EchoRequest{}, k13, 9));
  const auto next = client.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().message, "message of type 2 where a hello was expected");
}

TEST(Client, AHelloOfALaterVersionSpeaksForEarlierOnes) {
  Client client(bit(k13), 1);
  const std::uint8_t hello[] = {9, 0, 0, 8, 0, 0, 0, 1};
  client.receive(hello);
  ASSERT_TRUE(client.next());
  EXPECT_EQ(client.version(), k13);
}

TEST(Client, MessagesComeInAnyPieces) {
  Client client(bit(k13), 1);
  std::vector<std::uint8_t> stream = message(Hello{.versions = bit(k13)}, k13, 1);
  const auto echo = message(EchoReply{{.data = {1, 2, 3}}}, k13, 5);
  stream.insert(stream.end(), echo.begin(), echo.end());
  std::vector<std::vector<std::uint8_t>> seen;
  for (const std::uint8_t byte : stream) {
    client.receive(Bytes(&byte, 1));
    const auto next = client.next();
    ASSERT_TRUE(next);
    if (*next) seen.emplace_back((*next)->begin(), (*next)->end());
  }
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1], echo);
}

TEST(Client, AStreamThatCannotBeFollowedIsAnError) {
  Client client(bit(k13), 1);
  const std::uint8_t broken[] = {4, 0, 0, 7, 0, 0, 0, 1};
  client.receive(broken);
  EXPECT_FALSE(client.next());
  EXPECT_EQ(client.state(), Client::State::Closed);
}

TEST(Exchange, EndsWithTheLastPart) {
  Exchange exchange(5);
  auto part = make_message(TableDescReply{}, {.version = k14}, 5);
  part.more = true;
  EXPECT_FALSE(exchange.take(message(EchoReply{}, k14, 4)));
  EXPECT_TRUE(exchange.take(encode(part)));
  EXPECT_FALSE(exchange.done());
  part.more = false;
  EXPECT_TRUE(exchange.take(encode(part)));
  EXPECT_TRUE(exchange.done());
  EXPECT_FALSE(exchange.failed());
}

TEST(Exchange, EndsWithAnError) {
  Exchange exchange(5);
  EXPECT_TRUE(exchange.take(message(ErrorMessage{.error = OfError::BrcBadType}, k14, 5)));
  EXPECT_TRUE(exchange.done());
  EXPECT_TRUE(exchange.failed());
}

TEST(Exchange, WithABarrierEndsWithItsReply) {
  Exchange exchange(5, 6);
  EXPECT_TRUE(exchange.take(message(ErrorMessage{.error = OfError::FmfcOverlap}, k14, 5)));
  EXPECT_TRUE(exchange.failed());
  EXPECT_FALSE(exchange.done());
  EXPECT_TRUE(exchange.take(message(BarrierReply{}, k14, 6)));
  EXPECT_TRUE(exchange.done());
}

TEST(Versions, AreDescribed) {
  EXPECT_EQ(describe_versions(bit(k10)), "version 0x01");
  EXPECT_EQ(describe_versions(bit(k12) | bit(k14)), "versions 0x03, 0x05");
  EXPECT_EQ(describe_versions(0x7e), "version 0x06 and earlier");
}

}  // namespace
}  // namespace sluice::openflow
