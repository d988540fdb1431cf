#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "openflow/all_messages.h"
#include "tests/support/message_generator.h"

namespace sluice::openflow {
namespace {

std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

std::string to_hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<OfError> error_of(std::string_view hex) {
  const auto message = decode(from_hex(hex));
  return message ? std::nullopt : field::of_error(message.error());
}

struct Vector {
  std::string_view hex, text;
};
/// A message of each type and version with the text that ovs-ofctl ofp-print gives.
constexpr Vector kVectors[] = {
#include "tests/vectors/openflow_messages.inc"
};

TEST(OpenFlowVectors, BytesPrintAndComeBack) {
  for (const Vector& v : kVectors) {
    const auto bytes = from_hex(v.hex);
    EXPECT_EQ(v.text, print(bytes)) << v.hex;
    const auto message = decode(bytes);
    ASSERT_TRUE(message.has_value()) << message.error().message;
    EXPECT_EQ(v.hex, to_hex(encode(*message))) << v.text;
  }
}

TEST(OpenFlowVectors, ThereIsOneOfEveryMessageInEveryVersion) {
  std::set<std::pair<const WireForm*, OfVersion>> seen;
  for (const Vector& v : kVectors)
    if (const auto message = decode(from_hex(v.hex))) seen.emplace(message->form, message->version);
  AllMessages::each([&]<typename T>() {
    for (const WireForm& form : T::wire_forms())
      for (const OfVersion version : {k10, k11, k12, k13, k14, k15})
        if (form.first <= version && version <= form.last) {
          EXPECT_TRUE(seen.contains({&form, version}))
              << form.name << " of wire version " << static_cast<int>(version);
        }
  });
}

// Recorded from ovs-vswitchd and ovs-ofctl 3.1.
TEST(OpenFlowVectors, PausedPacketOfOvsVswitchd) {
  const auto bytes = from_hex(
      "0404014000000000000023200000001e0000006affffffffffff020202020202080045000054000100004001f97dc0a80001"
      "c0a800020800f7fd000100010000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000030005000000000004001000000000000000000000"
      "007700050005010000000006001480000004000000010001020400000005000000000008008000000000800000141519701d"
      "e248b98c5689d9aef6d8b039000000008001000a020202020202000000000000800100080000000580050010000000000000"
      "000000000077800600300000000000000010000000020000000000000000ffff00180000232000230001000000000000ff00"
      "0000000080080008000000010007000601020000");
  const auto message = decode(bytes);
  ASSERT_TRUE(message.has_value()) << message.error().message;
  const PacketIn* in = as<PacketIn>(*message);
  ASSERT_NE(in, nullptr);
  EXPECT_EQ(in->cookie, 0x77u);
  EXPECT_EQ(in->in_port(), 1u);
  EXPECT_EQ(in->userdata, (std::vector<std::uint8_t>{1, 2}));
  ASSERT_TRUE(in->continuation.has_value());
  EXPECT_EQ(action::format_actions(in->continuation->actions), "output:2,ct(commit)");
  EXPECT_THAT(
      format(*message),
      ::testing::HasSubstr(" continuation.bridge=1d701915-8cb9-48e2-aed9-895639b0d8f6\n"
                           " continuation.stack=(top) 0x20202020202 0x5 (bottom)\n"
                           " continuation.actions=unroll_xlate(table=0, cookie=119),output:2,ct(commit)\n"
                           " continuation.odp_port=1\n"));
}

class RoundTrip : public ::testing::TestWithParam<OfVersion> {};

TEST_P(RoundTrip, GeneratedMessages) {
  sluice::testing::MessageGenerator generator(77 + static_cast<unsigned>(GetParam()));
  for (unsigned i = 0; i < 2000; ++i) {
    const Message message = generator.message(GetParam());
    const auto bytes = encode(message);
    const auto back = decode(bytes);
    ASSERT_TRUE(back.has_value()) << message.form->name << ' ' << to_hex(bytes) << ": "
                                  << back.error().message;
    EXPECT_EQ(back->form, message.form);
    EXPECT_EQ(back->xid, message.xid);
    // The fixed structures of 1.0 and 1.1 lose what they cannot say, once.
    const auto again = encode(*back);
    if (GetParam() >= k12) {
      EXPECT_EQ(to_hex(bytes), to_hex(again)) << format(message);
    }
    const auto settled = decode(again);
    ASSERT_TRUE(settled.has_value()) << settled.error().message;
    EXPECT_EQ(format(*back), format(*settled));
    EXPECT_EQ(to_hex(again), to_hex(encode(*settled)));
  }
}

// A message cut short or changed anywhere is refused or understood, never worse.
TEST_P(RoundTrip, MutatedMessages) {
  sluice::testing::MessageGenerator generator(99 + static_cast<unsigned>(GetParam()));
  Rng& rng = generator.rng();
  for (unsigned i = 0; i < 1500; ++i) {
    auto bytes = encode(generator.message(GetParam()));
    for (auto changes = 1 + rng.below(4); changes > 0; --changes)
      bytes[4 + rng.below(bytes.size() - 4)] = static_cast<std::uint8_t>(rng.next());
    if (rng.chance(30)) bytes.resize(8 + rng.below(bytes.size() - 7));
    bytes[2] = static_cast<std::uint8_t>(bytes.size() >> 8);
    bytes[3] = static_cast<std::uint8_t>(bytes.size());
    EXPECT_FALSE(print(bytes).empty());
    const auto message = decode(bytes);
    if (!message) {
      EXPECT_TRUE(field::of_error(message.error()).has_value()) << message.error().message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, RoundTrip, ::testing::Values(k10, k11, k12, k13, k14, k15),
                         [](const auto& p) {
                           return fmt::format("OpenFlow1{}", static_cast<unsigned>(p.param) - 1);
                         });

TEST(OpenFlowErrors, WrongMessagesGetTheRightError) {
  EXPECT_EQ(error_of("0904000800000001"), OfError::BrcBadType);  // a session says more
  EXPECT_EQ(error_of("0199000800000001"), OfError::BrcBadType);
  EXPECT_EQ(error_of("010f000800000001"), OfError::BrcBadLen);  // port_mod without a body
  EXPECT_EQ(error_of("0404001000000001000000990000000a"), OfError::BrcBadVendor);
  EXPECT_EQ(error_of("04040010000000010000232000000063"), OfError::BrcBadSubtype);
  EXPECT_EQ(error_of("0412001000000001006300000000000000"), OfError::BrcBadLen);  // longer than it says
  EXPECT_EQ(error_of("04120010000000010063000000000000"), OfError::BrcBadStat);
  EXPECT_EQ(error_of("0109000c0000000100100080"), OfError::ScfcBadFlags);
  EXPECT_EQ(error_of("0409000c0000000100040080"), OfError::ScfcBadFlags);  // 1.3 has no such flag any more
  EXPECT_EQ(error_of("0604001800000001000023200000001d0000990000000007"), OfError::BrcMustBeZero);
  EXPECT_EQ(error_of("0612001800000001000d000000000000ffff00ff00000000"), OfError::BacBadOutPort);
  EXPECT_EQ(error_of("0513001000000001000affff00000000"), std::nullopt) << "flags without meaning";
}

TEST(OpenFlowErrors, NumbersWithoutMeaning) {
  // A port that 16 bits can't say, as out_port of a flow-mod; a watched one; the id of a bucket.
  EXPECT_EQ(error_of("050e0050000000080f7bd234db37535f00000000000000000000000000008000fffffffff7ffffff"
                     "ffffffff000000000001000400000000000400180000000000000010000000050000000000000000"),
            OfError::BacBadOutPort);
  EXPECT_EQ(error_of("050f00500000000200000300000000050020000000a00002ffffffff0000000000000010fffffffe"
                     "00000000000000000020000000000004ffffffff0000000000190010800006060000000000080000"),
            OfError::GmfcBadWatch);
  EXPECT_EQ(error_of("060f002800000002000002000000000200100000ffffffff00100008ffffff010012000800000000"),
            OfError::GmfcBadBucket);
}

TEST(OpenFlowPrinting, WhatHasNoMeaningIsShown) {
  EXPECT_EQ(print(from_hex("0512001000000002000e000400000000")),
            "OFPST_TABLE_DESC request (OF1.4) (xid=0x2): flags=[***unknown flags 0x0004***]\n");
  EXPECT_EQ(print(from_hex("0600001000000001000200080000007e")),
            "OFPT_HELLO (OF1.5) (xid=0x1):\n version bitmap: 0x01, 0x02, 0x03, 0x04, 0x05, 0x06\n"
            " unknown data in hello:\n"
            "00000000  06 00 00 10 00 00 00 01-00 02 00 08 00 00 00 7e |...............~|\n");
  EXPECT_EQ(print(from_hex("0600001000000001000100080000007e")),
            "OFPT_HELLO (OF1.5) (xid=0x1):\n version bitmap: 0x01, 0x02, 0x03, 0x04, 0x05, 0x06\n");
}

TEST(OpenFlowErrors, EveryErrorHasItsCodeInEachVersion) {
  for (std::size_t i = 0; i < field::kOfErrorCount; ++i) {
    const auto error = static_cast<OfError>(i);
    EXPECT_EQ(field::find_of_error(field::of_error_name(error)), error);
    bool anywhere = false;
    for (const OfVersion version : {k10, k11, k12, k13, k14, k15}) {
      const auto code = field::of_error_code(error, version);
      anywhere = anywhere || code.has_value();
      // Several may share a code: decoding gives one of them.
      if (code) {
        EXPECT_EQ(field::of_error_code(*field::find_of_error(*code, version), version), code);
      }
    }
    EXPECT_TRUE(anywhere) << field::of_error_name(error);
  }
}

// As `ovs-ofctl encode-error-reply` gives them.
TEST(OpenFlowErrors, Replies) {
  const auto reply = [](OfError error, std::string_view request) {
    return to_hex(encode_error_reply(error, from_hex(request), k10));
  };
  EXPECT_EQ(reply(OfError::BacBadType, "0101000800000001"),
            "010100140000000100020000"
            "0101000800000001");
  EXPECT_EQ(reply(OfError::BicDupInst, "0401000800000001"),
            "0401001800000001ffff0a284f4e46000401000800000001");
  EXPECT_EQ(reply(OfError::BrcMustBeZero, "0105000800000001"),
            "0101001c00000001b0c20000000023200001020301050008"
            "00000001");
  // What 1.0 has no code for.
  EXPECT_EQ(reply(OfError::BicDupInst, "0105000800000001"),
            "0101001c00000001b0c20000000023200001020901050008"
            "00000001");
  // No more than 64 bytes of the request.
  EXPECT_EQ(encode_error_reply(OfError::BrcBadType, std::vector<std::uint8_t>(500, 1), k10).size(),
            12u + 64u);
}

TEST(OpenFlowHello, NegotiatesTheHighestCommonVersion) {
  EXPECT_EQ(negotiate(0x7e, 0x7e), k15);
  EXPECT_EQ(negotiate(0x7e, 0x12), k13);
  EXPECT_EQ(negotiate(0x02, 0x10), std::nullopt);
  // Without a bitmap a version stands for all below it.
  const auto hello = decode(from_hex("0400000800000001"));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(as<Hello>(*hello)->versions, 0x1eu);
  EXPECT_EQ(to_hex(encode(make_message(Hello{.versions = 0x12}, {.version = k13}, 1))),
            "04000010000000010001000800000012");
}

TEST(OpenFlowSplitter, FindsMessagesWhereverTheStreamIsCut) {
  std::vector<std::uint8_t> stream;
  for (const std::string_view hex : {"0102000800000001", "01020009000000020a", "0105000800000003"}) {
    const auto bytes = from_hex(hex);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  }
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    Splitter splitter;
    std::vector<std::size_t> lengths;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      splitter.append(Bytes(stream).subspan(at, std::min(piece, stream.size() - at)));
      for (auto next = splitter.next(); next && *next; next = splitter.next())
        lengths.push_back((*next)->size());
    }
    EXPECT_EQ(lengths, (std::vector<std::size_t>{8, 9, 8})) << piece;
  }
  Splitter broken;
  broken.append(from_hex("0102000700000001"));
  EXPECT_EQ(field::of_error(broken.next().error()), OfError::BrcBadLen);
}

// A reply of many entries becomes several messages, cut between entries, all but the last saying that more
// follow.
TEST(OpenFlowMultipart, LongRepliesAreCutBetweenEntries) {
  FlowStatsReply reply;
  for (unsigned i = 0; i < 2000; ++i) {
    auto& entry = reply.entries.emplace_back();
    entry.flow.priority = static_cast<std::uint16_t>(i);
    entry.flow.table = 0;
    entry.flow.actions = *action::parse_actions("output:1");
  }
  const auto bytes = encode(make_message(reply, {.version = k13}, 7));
  Splitter splitter;
  splitter.append(bytes);
  std::size_t messages = 0, entries = 0;
  bool more = true;
  for (auto next = splitter.next(); next && *next; next = splitter.next()) {
    ++messages;
    EXPECT_TRUE(more);
    const auto part = decode(**next);
    ASSERT_TRUE(part.has_value()) << part.error().message;
    more = part->more;
    for (const auto& entry : as<FlowStatsReply>(*part)->entries) EXPECT_EQ(entry.flow.priority, entries++);
  }
  EXPECT_FALSE(more);
  EXPECT_EQ(entries, 2000u);
  EXPECT_GT(messages, 2u);
}

// What has to be one message tells as much as fits: OpenFlow 1.0 to 1.3 have no other word for queues, nor
// 1.0 to 1.2 for the ports of a switch.
TEST(OpenFlowMultipart, ListsThatAreOneMessageAreToldAsFarAsTheyFit) {
  QueueConfigReply queues{.port = 3, .entries = {}};
  for (unsigned i = 0; i < 10'000; ++i) queues.entries.push_back({.port = 3, .queue = i});
  FeaturesReply features;
  features.ports.resize(2000);
  constexpr std::size_t kMost = 0xffff;
  for (const OfVersion version : {k10, k11, k12, k13}) {
    const auto bytes = encode(make_message(queues, {.version = version}, 7));
    const auto message = decode(bytes);
    ASSERT_TRUE(message) << message.error().message;
    const auto& entries = as<QueueConfigReply>(*message)->entries;
    const std::size_t each = version <= k11 ? 8 : 16;
    EXPECT_EQ(entries.size(), (kMost - 16) / each);
    EXPECT_EQ(entries.back().queue, entries.size() - 1);
    EXPECT_GT(bytes.size(), kMost - each);
    if (version == k13) continue;
    const auto ports = decode(encode(make_message(features, {.version = version}, 7)));
    ASSERT_TRUE(ports) << ports.error().message;
    EXPECT_EQ(as<FeaturesReply>(*ports)->ports.size(), (kMost - 32) / (version == k10 ? 48 : 64));
  }
}

TEST(OpenFlowFieldSet, NamesAreDrawnTogether) {
  FieldSet set;
  for (const auto id :
       {field::FieldId::InPort, field::FieldId::InPortOxm, field::FieldId::Reg0, field::FieldId::Reg1,
        field::FieldId::Reg2, field::FieldId::CtNwSrc, field::FieldId::CtNwDst, field::FieldId::CtMark,
        field::FieldId::EthSrc, field::FieldId::DpHash})
    set.set(static_cast<std::size_t>(id));
  EXPECT_EQ(format_field_set(set), "dp_hash in_{port,port_oxm} ct_{mark,nw_{src,dst}} reg0...reg2 eth_src");
}

}  // namespace
}  // namespace sluice::openflow
