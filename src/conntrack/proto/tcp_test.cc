// TCP through the whole tracker. Client 10.0.0.1:1000, server 10.0.0.2:80.
#include "conntrack/proto/tcp.h"

#include <cstring>

#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

struct Seg {
  const char* flags = "A";
  std::uint32_t seq = 0, ack = 0;
  std::uint16_t window = 1000;
  std::optional<std::uint8_t> scale;
  std::size_t data = 0;
};

class TcpTest : public TrackerFixture {
 protected:
  static Layers client(const Seg& s) {
    return Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / (Tcp{.sport = 1000,
                                                            .dport = 80,
                                                            .flags = s.flags,
                                                            .seq = s.seq,
                                                            .ack = s.ack,
                                                            .window = s.window,
                                                            .wscale = s.scale} /
                                                        Payload{.size = s.data});
  }
  static Layers server(const Seg& s) {
    return Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / (Tcp{.sport = 80,
                                                            .dport = 1000,
                                                            .flags = s.flags,
                                                            .seq = s.seq,
                                                            .ack = s.ack,
                                                            .window = s.window,
                                                            .wscale = s.scale} /
                                                        Payload{.size = s.data});
  }
  /// Client's next sequence number is 101, the server's 501.
  void handshake(std::optional<std::uint8_t> client_scale = {},
                 std::optional<std::uint8_t> server_scale = {}) {
    EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = client_scale})), "+new+trk");
    EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = server_scale})), "+est+rpl+trk");
    EXPECT_EQ(track(client({.seq = 101, .ack = 501})), "+est+trk");
    forget_counters();
  }
};

TEST_F(TcpTest, OpensTalksAndCloses) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(track(client({.flags = "S", .seq = 100})), "+new+trk");  // retransmitted
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/SYN_SENT");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(track(client({.seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(expires_in_seconds(), 86400);
  EXPECT_EQ(track(client({.flags = "FA", .seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(tcp_states(), "CLOSING/ESTABLISHED");
  EXPECT_EQ(expires_in_seconds(), 900);
  EXPECT_EQ(track(server({.seq = 501, .ack = 102})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/ESTABLISHED");
  EXPECT_EQ(track(server({.flags = "FA", .seq = 501, .ack = 102})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/CLOSING");
  EXPECT_EQ(expires_in_seconds(), 45);
  EXPECT_EQ(track(client({.seq = 102, .ack = 502})), "+est+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
  EXPECT_EQ(expires_in_seconds(), 30);
  const ConnectionSnapshot c = only_connection();
  EXPECT_EQ(c.packets[0], 5u);
  EXPECT_EQ(c.packets[1], 3u);
  EXPECT_EQ(c.bytes[0], 5u * 40);
  EXPECT_EQ(c.bytes[1], 3u * 40);
  expect_delta({{"created", 1}, {"committed", 1}, {"lookups", 8}, {"hits", 7}});
}

TEST_F(TcpTest, LookupWithoutCommitCreatesNothing) {
  EXPECT_EQ(track(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 0u);
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+inv+trk");
  expect_delta({{"lookups", 2}, {"reason.tcp_syn_ack_without_connection", 1}});
}

TEST_F(TcpTest, ImpossibleFlagsAreInvalidAndChangeNothing) {
  handshake();
  const ConnectionSnapshot before = only_connection();
  for (const char* flags : {"SF", "SR", "", "F", "P", "U", "FPU"})
    EXPECT_EQ(track(client({.flags = flags, .seq = 101})), "+inv+trk") << flags;
  expect_delta({{"lookups", 7}, {"hits", 7}, {"reason.tcp_bad_flags", 7}});
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(only_connection().packets[0], before.packets[0]);
}

TEST_F(TcpTest, InvalidPacketCarriesNoConnectionData) {
  EXPECT_EQ(track(client({.flags = "S", .seq = 100}), {.commit = true, .mark = 5, .mark_mask = ~0u}),
            "+new+trk");
  EXPECT_EQ(meta().mark, 5u);
  EXPECT_EQ(track(client({.flags = "SF", .seq = 101}), {.commit = true, .mark = 6, .mark_mask = ~0u}),
            "+inv+trk");
  EXPECT_EQ(meta().mark, 0u);
  EXPECT_EQ(meta().connection, packet::CtMetadata::kNoConnection);
  EXPECT_EQ(only_connection().mark, 5u);
}

TEST_F(TcpTest, DataBeyondTheWindowIsInvalid) {
  handshake();
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 1001, .ack = 501, .data = 900})), "+inv+trk");
  EXPECT_EQ(track(client({.seq = 1001, .ack = 501, .data = 100})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 1101})), "+est+rpl+trk");  // opens the window again
  EXPECT_EQ(track(client({.seq = 1101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+inv+trk");  // more than a window back
  expect_delta({{"lookups", 6}, {"hits", 6}, {"reason.tcp_out_of_window", 2}});
}

TEST_F(TcpTest, AcknowledgingWhatWasNeverSentIsInvalid) {
  handshake();
  EXPECT_EQ(track(client({.seq = 101, .ack = 501 + 70'000})), "+inv+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501 + 60'000})), "+est+trk");  // could be a reordered answer
  expect_delta({{"lookups", 2}, {"hits", 2}, {"reason.tcp_bad_ack", 1}});
}

TEST_F(TcpTest, AcknowledgingUnsentDataOpensNoWindow) {
  handshake();
  // RFC 5961 section 5: two blind segments, the first of which would make room for the second.
  EXPECT_EQ(track(server({.seq = 501, .ack = 101 + 60'000, .window = 60'000})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101 + 50'000, .ack = 501, .data = 100})), "+inv+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 1001})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 1001, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
}

TEST_F(TcpTest, OpenersAckBeforeAnyAnswerTellsNothingOfTheServer) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 0})), "+est+trk");  // of a stranger
  EXPECT_EQ(track(server({.flags = "SA", .seq = 0x80000000, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 0x80000001, .data = 900})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 0x80000001, .ack = 1001, .data = 900})), "+est+rpl+trk");
}

TEST_F(TcpTest, BareAckBeforeTheSynAckTellsNothingOfItsSender) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = 7})), "+new+trk");
  EXPECT_EQ(track(server({.seq = 0x80000000, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = 7})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 1001, .data = 900})), "+est+rpl+trk");
  EXPECT_EQ(only_connection().window_scale[1], 7u);
}

TEST_F(TcpTest, ConnectionWhoseSynAckWasNotSeen) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 900})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 1401, .data = 900})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
}

TEST_F(TcpTest, DataInTheSyn) {  // RFC 7413
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .data = 50})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 152})), "+inv+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 151})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.flags = "RA", .seq = 151, .ack = 501})), "+est+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
}

TEST_F(TcpTest, DataInTheSynThatWasNotTaken) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .data = 50})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 50})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 151})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
}

TEST_F(TcpTest, ResetOfTheOpenerBeforeAnyAnswerHasToBeExact) {
  for (const std::uint32_t seq : {99u, 100u, 102u, 5000u}) {
    EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
    EXPECT_EQ(track(client({.flags = "R", .seq = seq})), "+est+trk") << seq;
    EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED") << seq;
  }
  EXPECT_EQ(track(client({.flags = "R", .seq = 101})), "+est+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
}

TEST_F(TcpTest, FinEndsWhatIsSent) {
  handshake();
  EXPECT_EQ(track(client({.seq = 901, .ack = 501, .data = 50})), "+est+trk");  // of a stranger
  EXPECT_EQ(track(client({.flags = "FA", .seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "FA", .seq = 501, .ack = 102})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 102, .ack = 502})), "+est+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
  EXPECT_EQ(commit(client({.flags = "S", .seq = 5000})), "+new+trk");  // the ports are free
}

TEST_F(TcpTest, SequenceNumbersWrapAround) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 0xffffff00})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 0xfffffff0, .ack = 0xffffff01})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 0xffffff01, .ack = 0xfffffff1, .data = 900})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 0xfffffff1, .ack = 0xffffff01 + 900, .data = 600})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 0xffffff01 + 900, .ack = 0xfffffff1 + 600, .data = 900})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 0xffffff01 + 1800, .ack = 0xfffffff1 + 600, .data = 900})), "+inv+trk");
}

TEST_F(TcpTest, ScaledWindows) {
  handshake(4, 2);
  const ConnectionSnapshot c = only_connection();
  EXPECT_EQ(c.window_scale[0], 4);
  EXPECT_EQ(c.window_scale[1], 2);
  EXPECT_EQ(c.tcp_flags[0], ConnectionSnapshot::kWindowScale);
  // The client's ACK opened 1000 << 4 bytes to the server. The server's own segment of 1000 << 2 opens that
  // to the client.
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 9000})), "+est+rpl+trk");
  EXPECT_EQ(track(server({.seq = 9501, .ack = 101, .data = 8000})), "+inv+trk");
  EXPECT_EQ(track(server({.seq = 9501, .ack = 101, .data = 7000})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 4000})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 4101, .ack = 501, .data = 1})), "+inv+trk");
  expect_delta({{"lookups", 5}, {"hits", 5}, {"reason.tcp_out_of_window", 2}});
}

// RFC 7323 section 2.2: the window of a SYN is never scaled, so it lets the other end send that many bytes.
TEST_F(TcpTest, WindowOfASynIsNotScaled) {
  handshake(10, 10);
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 999})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 1100, .ack = 501, .data = 3})), "+inv+trk");
  expect_delta({{"lookups", 2}, {"hits", 2}, {"reason.tcp_out_of_window", 1}});
}

TEST_F(TcpTest, ScalingTakesBothEnds) {
  handshake(4, {});
  EXPECT_EQ(only_connection().window_scale[0], 0);
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 1000})), "+est+rpl+trk");
  EXPECT_EQ(track(server({.seq = 1501, .ack = 101, .data = 100})), "+inv+trk");
}

TEST_F(TcpTest, SequenceCheckCanBeSwitchedOff) {
  handshake();
  tracker_.set_tcp_sequence_check(false);
  EXPECT_EQ(track(client({.seq = 90'000'000, .ack = 5, .data = 1000})), "+est+trk");
  tracker_.set_tcp_sequence_check(true);
  EXPECT_EQ(track(client({.seq = 1, .ack = 501, .data = 1000})), "+inv+trk");
}

// RFC 5961 section 3.2: closes with the very next number, is challenged inside the window, dropped outside.
TEST_F(TcpTest, LiberalZonePassesWhatIsOutsideTheWindowButNoReset) {
  tracker_.set_strictness(0, {.liberal = true});
  handshake();
  EXPECT_EQ(track(client({.seq = 90'000'000, .ack = 501, .data = 1000})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501 + 70'000})), "+est+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 90'000'000})), "+inv+trk");
  EXPECT_EQ(track(client({.flags = "SF", .seq = 101})), "+inv+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  expect_delta(
      {{"lookups", 4}, {"hits", 4}, {"reason.tcp_rst_out_of_window", 1}, {"reason.tcp_bad_flags", 1}});
  // No window was moved.
  tracker_.set_strictness(0, {});
  EXPECT_EQ(track(client({.seq = 90'000'000, .ack = 501, .data = 1})), "+inv+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 1000})), "+est+trk");
}

TEST_F(TcpTest, StrictnessOfOneZoneIsNotThatOfAnother) {
  tracker_.set_strictness(5, {.sequence_check = Strictness::SequenceCheck::Off, .loose = false});
  for (const std::uint16_t zone : {0, 5}) {
    const CtRequest request{.commit = true, .zone = zone};
    EXPECT_EQ(track(client({.seq = 5, .ack = 7}), request), zone == 5 ? "+inv+trk" : "+new+trk");
    tracker_.flush({});
    EXPECT_EQ(track(client({.flags = "S", .seq = 100}), request), "+new+trk");
    EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101}), request), "+est+rpl+trk");
    EXPECT_EQ(track(client({.seq = 101, .ack = 501}), request), "+est+trk");
    EXPECT_EQ(track(client({.seq = 90'000'000, .ack = 501}), request), "+est+trk");  // nothing in it
    EXPECT_EQ(track(client({.seq = 90'000'000, .ack = 501, .data = 9}), request),
              zone == 5 ? "+est+trk" : "+inv+trk");
  }
  // A zone's own word counts more than the global switch.
  tracker_.set_tcp_sequence_check(false);
  tracker_.set_strictness(5, {.sequence_check = Strictness::SequenceCheck::On});
  EXPECT_EQ(track(client({.seq = 190'000'000, .ack = 501, .data = 9}), {.zone = 5}), "+inv+trk");
  EXPECT_EQ(tracker_.strictness(5), (Strictness{.sequence_check = Strictness::SequenceCheck::On}));
  EXPECT_EQ(tracker_.strictness(6), Strictness{});
}

TEST_F(TcpTest, StrictZoneWantsToSeeTheSyn) {
  tracker_.set_strictness(0, {.loose = false});
  for (const char* flags : {"A", "FA", "R", "RA", "PA"})
    EXPECT_EQ(commit(client({.flags = flags, .seq = 5, .ack = 7})), "+inv+trk") << flags;
  EXPECT_EQ(tracker_.peek(*make(client({.seq = 5})), 0, clock_.now()).reason, Reason::MidStream);
  expect_delta({{"lookups", 5}, {"reason.mid_stream", 3}, {"reason.tcp_reset_without_connection", 2}});
  handshake();
}

TEST_F(TcpTest, ResetClosesWithTheNextSequenceNumberOnly) {
  handshake();
  EXPECT_EQ(track(client({.flags = "R", .seq = 150})), "+est+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 1101})), "+est+trk");
  EXPECT_EQ(track(client({.flags = "RA", .seq = 103, .ack = 501})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(expires_in_seconds(), 86400);
  expect_delta({{"lookups", 3}, {"hits", 3}});
  EXPECT_EQ(track(client({.flags = "R", .seq = 1102})), "+inv+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 101u - 1001})), "+inv+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 0})), "+est+trk");  // inside: a window is 1000
  EXPECT_EQ(track(server({.flags = "R", .seq = 3'000'000'000})), "+inv+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  expect_delta({{"lookups", 4}, {"hits", 4}, {"reason.tcp_rst_out_of_window", 3}});
  EXPECT_EQ(track(client({.flags = "R", .seq = 101})), "+est+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
  EXPECT_EQ(expires_in_seconds(), 30);
}

TEST_F(TcpTest, ResetAfterDataAndFromTheServer) {
  handshake();
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 300})), "+est+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 101})), "+est+trk");  // what the server expects is not known
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(track(server({.flags = "RA", .seq = 501, .ack = 401})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
}

TEST_F(TcpTest, RefusedConnection) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "RA", .seq = 0, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
  EXPECT_EQ(track(client({.flags = "S", .seq = 200})), "+new+trk");
}

// RFC 5961 section 4: the end that a SYN goes to answers with an acknowledgement, wherever the SYN lies.
TEST_F(TcpTest, SynOnOpenConnectionPassesAndChangesNothing) {
  handshake();
  const ConnectionSnapshot before = only_connection();
  for (const std::uint32_t seq : {100u, 101u, 600u, 99'999'999u, 0x80000000u + 101})
    EXPECT_EQ(track(client({.flags = "S", .seq = seq, .scale = 7})), "+est+trk") << seq;
  EXPECT_EQ(track(server({.flags = "S", .seq = 4'000'000'000})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(only_connection().window_scale[0], before.window_scale[0]);
  // The challenge passes, and so does the data of those who were meant.
  EXPECT_EQ(track(server({.seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 1000})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 1101, .ack = 501, .data = 1})), "+inv+trk");  // the window was not moved
  expect_delta({{"lookups", 9}, {"hits", 9}, {"reason.tcp_out_of_window", 1}});
}

// A client that lost its state opens again from the same port: challenge, reset, and the port is free.
TEST_F(TcpTest, ChallengeEndsWhatTheOpenerForgot) {
  handshake();
  EXPECT_EQ(track(client({.flags = "S", .seq = 77'000'000})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.flags = "R", .seq = 101})), "+est+trk");
  EXPECT_EQ(tcp_states(), "TIME_WAIT/TIME_WAIT");
  EXPECT_EQ(commit(client({.flags = "S", .seq = 77'000'000})), "+new+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 9, .ack = 77'000'001})), "+est+rpl+trk");
}

// Neither end knows the connection any more: the tracker must not keep them from opening another.
TEST_F(TcpTest, BothEndsForgotAndOpenAnew) {
  for (const bool scaled : {false, true}) {
    const std::optional<std::uint8_t> seven = scaled ? std::optional<std::uint8_t>(7) : std::nullopt;
    tracker_.flush(std::nullopt);
    handshake(seven, seven);
    const std::uint64_t id = only_connection().id;
    EXPECT_EQ(track(client({.flags = "S", .seq = 77'000'000, .scale = seven})), "+est+trk");
    EXPECT_EQ(track(server({.flags = "SA", .seq = 900'000'000, .ack = 77'000'001, .scale = seven})),
              "+est+rpl+trk");
    EXPECT_EQ(track(client({.seq = 77'000'001, .ack = 900'000'001})), "+est+trk");
    EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
    EXPECT_EQ(track(client({.seq = 77'000'001, .ack = 900'000'001, .data = 900})), "+est+trk");
    EXPECT_EQ(track(server({.seq = 900'000'001, .ack = 77'000'901, .data = 900})), "+est+rpl+trk");
    EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 10})), "+inv+trk") << "the old numbers are over";
    EXPECT_EQ(only_connection().id, id);
  }
}

TEST_F(TcpTest, OpenedAnewTheScalesAreThoseOfTheNewSyns) {
  handshake(7, 7);
  EXPECT_EQ(track(client({.flags = "S", .seq = 77'000'000, .scale = 3})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 900'000'000, .ack = 77'000'001, .scale = 5})),
            "+est+rpl+trk");
  EXPECT_EQ(only_connection().window_scale[0], 3);
  EXPECT_EQ(only_connection().window_scale[1], 5);
  EXPECT_EQ(track(client({.seq = 77'000'001, .ack = 900'000'001, .window = 1000})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 900'000'001 + 70'000, .ack = 77'000'001, .data = 10})), "+inv+trk")
      << "the client's window is 65,535 at most: the largest that its SYN may have announced";
  EXPECT_EQ(track(server({.seq = 900'000'001, .ack = 77'000'001, .data = 8000})), "+est+rpl+trk");
  // One that offers no scaling gets none.
  EXPECT_EQ(track(client({.flags = "S", .seq = 177'000'000})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500'000'000, .ack = 177'000'001, .scale = 5})),
            "+est+rpl+trk");
  EXPECT_EQ(only_connection().window_scale[0], 0);
  EXPECT_EQ(only_connection().window_scale[1], 0);
  EXPECT_EQ(only_connection().tcp_flags[1], 0);
}

TEST_F(TcpTest, TheServerMayBeTheOneThatOpensAnew) {
  handshake();
  EXPECT_EQ(track(server({.flags = "S", .seq = 5'000'000})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.flags = "SA", .seq = 60'000'000, .ack = 5'000'001})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 5'000'001, .ack = 60'000'001, .data = 10})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 60'000'001, .ack = 5'000'011})), "+est+trk");
}

// A live end answers a stranger's SYN with a challenge: from then on no SYN|ACK moves the connection.
TEST_F(TcpTest, StrangersDoNotMoveAConnectionThatLives) {
  handshake();
  EXPECT_EQ(track(client({.flags = "S", .seq = 77'000'000})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 900'000'000, .ack = 77'000'001})), "+inv+trk");
  // Neither does one for another SYN, or from the SYN's own side.
  EXPECT_EQ(track(client({.flags = "S", .seq = 78'000'000})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 900'000'000, .ack = 78'000'002})), "+inv+trk");
  EXPECT_EQ(track(client({.flags = "SA", .seq = 900'000'000, .ack = 78'000'001})), "+inv+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 100})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 601, .data = 100})), "+est+trk");
}

// The same where only the tracker and the client forgot: RFC 9293 section 3.5.1, figure 9.
TEST_F(TcpTest, ChallengeFromAConnectionThatOnlyTheServerRemembers) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 77'000'000})), "+new+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(track(client({.flags = "R", .seq = 101})), "+est+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(track(client({.flags = "S", .seq = 77'000'000})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 9, .ack = 77'000'001})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 77'000'001, .ack = 10})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(track(client({.seq = 77'000'001, .ack = 10, .data = 1000})), "+est+trk");
}

TEST_F(TcpTest, OnlyTheAnswerToTheSynOpens) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  forget_counters();
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 100})), "+inv+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 103})), "+inv+trk");
  EXPECT_EQ(track(server({.seq = 500, .ack = 5, .data = 100})), "+inv+trk");
  EXPECT_EQ(track(server({.flags = "FA", .seq = 500, .ack = 5})), "+inv+trk");
  EXPECT_EQ(track(server({.flags = "R", .seq = 500})), "+inv+trk");
  EXPECT_EQ(track(server({.flags = "RA", .seq = 500, .ack = 5})), "+inv+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  expect_delta({{"lookups", 6}, {"hits", 6}, {"reason.tcp_bad_ack", 4}, {"reason.tcp_rst_out_of_window", 2}});
}

TEST_F(TcpTest, PortIsReusedAfterClose) {
  handshake();
  track(client({.flags = "FA", .seq = 101, .ack = 501}));
  track(server({.flags = "FA", .seq = 501, .ack = 102}));
  track(client({.seq = 102, .ack = 502}));
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
  const ConnectionSnapshot old = only_connection();
  forget_counters();
  // A mere lookup forgets nothing.
  EXPECT_EQ(track(client({.flags = "S", .seq = 900'000})), "+new+trk");
  EXPECT_EQ(meta().connection, packet::CtMetadata::kNoConnection);
  EXPECT_EQ(only_connection().id, old.id);
  advance(Duration::seconds(1));
  EXPECT_EQ(track(client({.flags = "S", .seq = 900'000}), {.commit = true, .mark = 3, .mark_mask = ~0u}),
            "+new+trk");
  const ConnectionSnapshot fresh = only_connection();
  EXPECT_NE(fresh.id, old.id);
  EXPECT_NE(fresh.generation, old.generation);
  EXPECT_EQ(fresh.mark, 3u);
  EXPECT_EQ(fresh.packets[0], 1u);
  EXPECT_FALSE(fresh.seen_reply);
  EXPECT_GT(fresh.start_ns, old.start_ns);
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 7, .ack = 900'001})), "+est+rpl+trk");
  expect_delta({{"lookups", 3}, {"hits", 3}, {"created", 1}, {"destroyed", 1}, {"committed", 1}});
  EXPECT_EQ(tracker_.census().live, 1u);
  EXPECT_EQ(tracker_.census().indexed, 1u);
}

TEST_F(TcpTest, PortIsReusedFromTheOtherSide) {
  handshake();
  track(client({.flags = "R", .seq = 101}));
  EXPECT_EQ(commit(server({.flags = "S", .seq = 70})), "+new+trk");
  const ConnectionSnapshot c = only_connection();
  EXPECT_EQ(c.original.src_port, be16{80});
  EXPECT_EQ(track(client({.flags = "SA", .seq = 5, .ack = 71})), "+est+rpl+trk");
}

TEST_F(TcpTest, SimultaneousOpen) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "S", .seq = 500})), "+new+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/SYN_SENT");
  EXPECT_EQ(track(client({.flags = "SA", .seq = 100, .ack = 501})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(client({.seq = 1001, .ack = 501, .data = 900})), "+inv+trk");
}

TEST_F(TcpTest, SimultaneousOpenWithRetransmissions) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = 2})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "S", .seq = 500, .scale = 5})), "+new+trk");
  EXPECT_EQ(track(client({.flags = "S", .seq = 100, .scale = 2})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "S", .seq = 500, .scale = 5})), "+new+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/SYN_SENT");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(track(client({.flags = "SA", .seq = 100, .ack = 99})), "+inv+trk");
  EXPECT_EQ(track(client({.flags = "SA", .seq = 100, .ack = 501, .scale = 2})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = 5})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(only_connection().window_scale[0], 2);
  EXPECT_EQ(only_connection().window_scale[1], 5);
}

TEST_F(TcpTest, AnotherInitialSequenceNumberBeforeTheAnswer) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100})), "+new+trk");
  EXPECT_EQ(track(client({.flags = "S", .seq = 99'000'000})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+inv+trk");  // answers the forgotten one
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 99'000'001})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 99'000'001, .ack = 501, .data = 100})), "+est+trk");
}

TEST_F(TcpTest, PickedUpInMidStream) {
  EXPECT_EQ(commit(client({.seq = 5'000, .ack = 7'000, .data = 100})), "+new+trk");
  EXPECT_EQ(tcp_states(), "SYN_SENT/CLOSED");
  EXPECT_EQ(only_connection().tcp_flags[0], ConnectionSnapshot::kLiberal);
  EXPECT_EQ(track(client({.seq = 5'100, .ack = 7'000, .data = 100})), "+est+trk");
  // Nothing is known of the scale: 1000 may mean 1000 << 14.
  EXPECT_EQ(track(server({.seq = 7'000, .ack = 5'100, .data = 30'000})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 5'200, .ack = 37'000, .data = 50'000})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(track(client({.seq = 3'000'000'000, .ack = 37'000, .data = 100})), "+inv+trk");
}

TEST_F(TcpTest, PickedUpWithData) {
  EXPECT_EQ(commit(client({.seq = 101, .ack = 501, .data = 900})), "+new+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 1001})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 1001, .ack = 501, .data = 900})), "+est+trk");
}

TEST_F(TcpTest, PickedUpByAKeepAlive) {
  EXPECT_EQ(commit(client({.seq = 100, .ack = 501})), "+new+trk");  // one less than its next
  EXPECT_EQ(track(server({.seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(client({.flags = "FA", .seq = 1001, .ack = 501})), "+est+trk");
}

TEST_F(TcpTest, PickedUpByItsFin) {
  EXPECT_EQ(commit(client({.flags = "FA", .seq = 100, .ack = 501})), "+new+trk");
  EXPECT_EQ(tcp_states(), "CLOSING/CLOSED");
  EXPECT_EQ(track(server({.flags = "FA", .seq = 501, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 502})), "+est+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
  EXPECT_EQ(commit(client({.flags = "S", .seq = 5000})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 9000, .ack = 5001})), "+est+rpl+trk");
}

TEST_F(TcpTest, SynOfTheOtherEndReplacesAnUnansweredPickUp) {
  EXPECT_EQ(commit(client({.seq = 100, .ack = 501})), "+new+trk");  // late, after a reset
  EXPECT_EQ(commit(server({.flags = "S", .seq = 9000})), "+new+trk");
  EXPECT_EQ(track(client({.flags = "SA", .seq = 40, .ack = 9001})), "+est+rpl+trk");
  EXPECT_EQ(track(server({.seq = 9001, .ack = 41})), "+est+trk");
}

TEST_F(TcpTest, WindowOfASynIsExactWhereScalingIsRefused) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = 14})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 1001})), "+inv+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 1000})), "+est+rpl+trk");
}

TEST_F(TcpTest, ScaledConnectionWhoseSynAckWasNotSeen) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = 7})), "+new+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 1000})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 101, .ack = 1501, .data = 900})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 1501, .ack = 1001, .data = 1460})), "+est+rpl+trk");  // 1000 << 7 are free
  EXPECT_EQ(track(client({.seq = 1001, .ack = 2961, .data = 1460})), "+est+trk");
}

TEST_F(TcpTest, ResetOpensNothing) {
  EXPECT_EQ(commit(client({.flags = "R", .seq = 100})), "+inv+trk");
  EXPECT_EQ(commit(client({.flags = "RA", .seq = 100, .ack = 1})), "+inv+trk");
  EXPECT_EQ(tracker_.connections(), 0u);
  expect_delta({{"lookups", 2}, {"reason.tcp_reset_without_connection", 2}});
}

TEST_F(TcpTest, KeepAlivesAndTheirAnswers) {
  handshake();
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 200})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 301})), "+est+rpl+trk");
  advance(Duration::seconds(7200));
  for (const std::size_t garbage :
       {0u, 1u}) {  // RFC 9293 section 3.8.4: one before the next, with or without
    EXPECT_EQ(track(client({.seq = 300, .ack = 501, .data = garbage})), "+est+trk");
    EXPECT_EQ(track(server({.seq = 501, .ack = 301})), "+est+rpl+trk");
  }
  EXPECT_EQ(expires_in_seconds(), 86400);
  EXPECT_EQ(track(client({.seq = 301, .ack = 501, .data = 1000})), "+est+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
}

TEST_F(TcpTest, ZeroWindowIsProbedByOneByteAtATime) {
  handshake();
  EXPECT_EQ(track(client({.seq = 101, .ack = 501, .data = 1000})), "+est+trk");
  EXPECT_EQ(track(server({.seq = 501, .ack = 1101, .window = 0})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 1101, .ack = 501, .data = 2})), "+inv+trk");
  for (int probe = 0; probe < 3; ++probe) {  // refused and sent again
    EXPECT_EQ(track(client({.seq = 1101, .ack = 501, .data = 1})), "+est+trk");
    EXPECT_EQ(track(server({.seq = 501, .ack = 1101, .window = 0})), "+est+rpl+trk");
  }
  EXPECT_EQ(track(server({.seq = 501, .ack = 1102, .window = 500})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 1102, .ack = 501, .data = 501})), "+inv+trk");
  EXPECT_EQ(track(client({.seq = 1102, .ack = 501, .data = 500})), "+est+trk");
  expect_delta({{"lookups", 12}, {"hits", 12}, {"reason.tcp_out_of_window", 2}});
}

TEST_F(TcpTest, RetransmissionsOfTheHandshake) {
  EXPECT_EQ(commit(client({.flags = "S", .seq = 100, .scale = 3})), "+new+trk");
  EXPECT_EQ(track(client({.flags = "S", .seq = 100, .scale = 3})), "+new+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = 2})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.flags = "S", .seq = 100, .scale = 3})),
            "+est+trk");  // the answer was late or lost
  EXPECT_EQ(tcp_states(), "ESTABLISHED/SYN_SENT");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = 2})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/SYN_SENT");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(track(client({.seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(track(server({.flags = "SA", .seq = 500, .ack = 101, .scale = 2})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "ESTABLISHED/ESTABLISHED");
  EXPECT_EQ(only_connection().window_scale[0], 3);
  EXPECT_EQ(only_connection().window_scale[1], 2);
  EXPECT_EQ(track(server({.seq = 501, .ack = 101, .data = 8000})), "+est+rpl+trk");
  EXPECT_EQ(track(server({.seq = 8501, .ack = 101, .data = 1})), "+inv+trk");
}

TEST_F(TcpTest, RetransmissionsOfTheEnd) {
  handshake();
  track(client({.flags = "FA", .seq = 101, .ack = 501}));
  EXPECT_EQ(track(client({.flags = "FA", .seq = 101, .ack = 501})), "+est+trk");
  EXPECT_EQ(tcp_states(), "CLOSING/ESTABLISHED");
  track(server({.flags = "FA", .seq = 501, .ack = 102}));
  EXPECT_EQ(track(server({.flags = "FA", .seq = 501, .ack = 102})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/CLOSING");
  track(client({.seq = 102, .ack = 502}));
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
  // The last acknowledgement was lost.
  EXPECT_EQ(track(server({.flags = "FA", .seq = 501, .ack = 102})), "+est+rpl+trk");
  EXPECT_EQ(track(client({.seq = 102, .ack = 502})), "+est+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/FIN_WAIT_2");
}

/// Every pair of shifts: each end may send just what the other's window allows.
class ScaleTest : public TcpTest, public ::testing::WithParamInterface<int> {};
TEST_P(ScaleTest, AllowsTheScaledWindowAndNoMore) {
  const auto mine = static_cast<std::uint8_t>(GetParam());
  for (std::uint8_t other = 0; other <= 14; other += 7) {
    tracker_.flush({});
    handshake(mine, other);
    const ConnectionSnapshot c = only_connection();
    const bool both_at_most = mine == 14 && other == 14;  // looks like a connection picked up in mid-stream
    EXPECT_EQ(c.window_scale[0], both_at_most ? 0 : mine);
    EXPECT_EQ(c.window_scale[1], both_at_most ? 0 : other);
    EXPECT_EQ(c.tcp_flags[0], both_at_most ? ConnectionSnapshot::kLiberal : ConnectionSnapshot::kWindowScale);
    const std::uint32_t window = 1000u << mine;
    // Only the ends matter; a segment of the whole window would not fit a packet.
    EXPECT_EQ(track(server({.seq = 501 + window - 10, .ack = 101, .data = 11})), "+inv+trk");
    EXPECT_EQ(track(server({.seq = 501 + window - 10, .ack = 101, .data = 10})), "+est+rpl+trk");
  }
}
INSTANTIATE_TEST_SUITE_P(Shifts, ScaleTest, ::testing::Range(0, 15));

TEST_F(TcpTest, AShiftBeyondFourteenIsFourteen) {
  handshake(200, 3);
  EXPECT_EQ(only_connection().window_scale[0], 14);
  EXPECT_EQ(only_connection().window_scale[1], 3);
}

TEST_F(TcpTest, FinNeedsItsOwnAcknowledgement) {
  handshake();
  track(client({.flags = "FA", .seq = 101, .ack = 501, .data = 10}));
  EXPECT_EQ(track(server({.seq = 501, .ack = 105})), "+est+rpl+trk");  // the data only
  EXPECT_EQ(tcp_states(), "CLOSING/ESTABLISHED");
  EXPECT_EQ(track(server({.seq = 501, .ack = 112})), "+est+rpl+trk");
  EXPECT_EQ(tcp_states(), "FIN_WAIT_2/ESTABLISHED");
}

TEST(TcpFlags, PossibleCombinations) {
  using namespace net::tcp_flag;
  EXPECT_TRUE(tcp::flags_possible(kSyn));
  EXPECT_TRUE(tcp::flags_possible(kSyn | kAck));
  EXPECT_TRUE(tcp::flags_possible(kSyn | kEce | kCwr));
  EXPECT_TRUE(tcp::flags_possible(kRst));
  EXPECT_TRUE(tcp::flags_possible(kRst | kAck));
  EXPECT_TRUE(tcp::flags_possible(kFin | kPsh | kUrg | kAck));
  EXPECT_FALSE(tcp::flags_possible(0));
  EXPECT_FALSE(tcp::flags_possible(kSyn | kUrg));
  EXPECT_FALSE(tcp::flags_possible(kRst | kFin));
}

/// update_plain() is a short cut: whatever it takes, update() would have made the same of it.
TEST(TcpPlainTest, DoesWhatUpdateDoes) {
  Rng rng(7);
  unsigned taken = 0;
  for (unsigned round = 0; round < 200'000; ++round) {
    Entry entry{};
    const auto base = static_cast<std::uint32_t>(rng.next());
    const auto near = [&](std::uint64_t spread) {
      return base + static_cast<std::uint32_t>(rng.below(2 * spread)) - static_cast<std::uint32_t>(spread);
    };
    entry.proto = net::ip_proto::kTcp;
    for (const Direction d : {Direction::Original, Direction::Reply}) {
      entry.set_tcp_state(
          d, rng.chance(90) ? TcpState::Established : static_cast<TcpState>(rng.below(kTcpStateCount)));
      entry.set_scale(d, static_cast<std::uint8_t>(rng.below(16)));
      const auto i = static_cast<unsigned>(d);
      entry.seq_low[i] = near(1000);
      entry.seq_high[i] = entry.seq_low[i] + static_cast<std::uint32_t>(rng.below(5000));
      entry.max_window[i] = static_cast<std::uint16_t>(rng.below(3000));
    }
    std::uint8_t header[20] = {};
    const wire::TcpHeader tcp(header);
    tcp.set_seq(be32{near(3000)});
    tcp.set_ack(be32{near(rng.chance(50) ? 3000 : 2'000'000)});
    const auto flags =
        static_cast<std::uint16_t>(rng.chance(80) ? net::tcp_flag::kAck | rng.next() << 3 : rng.next());
    tcp.set_offset_flags(be16{static_cast<std::uint16_t>(0x5000 | (flags & 0x0fff))});
    tcp.set_window(be16{static_cast<std::uint16_t>(rng.chance(5) ? 0 : rng.below(4000))});
    const auto payload = static_cast<std::uint32_t>(rng.chance(50) ? 0 : rng.below(2000));
    const Direction direction = rng.chance(50) ? Direction::Original : Direction::Reply;

    Entry shorter = entry, longer = entry;
    if (!tcp::update_plain(shorter, direction, header, payload)) {
      ASSERT_EQ(std::memcmp(&shorter, &entry, sizeof entry), 0);
      continue;
    }
    ++taken;
    const Verdict verdict = tcp::update(longer, direction, tcp::read(header, payload), {});
    ASSERT_EQ(verdict.outcome, Outcome::Established);
    ASSERT_EQ(std::memcmp(&shorter, &longer, sizeof entry), 0) << "round " << round;
  }
  EXPECT_GT(taken, 10'000u);
}

}  // namespace
}  // namespace sluice::conntrack
