// Every limit of the switch, with its unit and its reason. `sluice stats` shows them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::limits {

/// Packets processed together: enough to hide memory latency, few enough to stay in the first cache level.
inline constexpr std::size_t kBatchSize = 32;

/// Objects retired before a writer waits for a grace period (rcu::retire).
inline constexpr std::size_t kRcuRetireBatch = 256;

/// Megaflows per worker: a working set beyond it is cheaper translated than kept.
inline constexpr std::uint32_t kMegaflows = 65'536;

/// Masks that one look-up may try. Hostile traffic could make one per packet (tuple-space explosion,
/// CVE-2019-25076): past the bound megaflows are installed with an exact mask.
inline constexpr std::uint32_t kMasksPerPass = 32;

/// Passes of one packet through the megaflow table, as ct(table=) and resubmission after MPLS make them.
inline constexpr unsigned kRecirculations = 16;

/// Copies that the packets of one batch may make of themselves on their way (clones that recirculate and
/// clone again).
inline constexpr unsigned kCopiesPerBatch = 4096;

/// Depth of actions inside actions (clone, sample, check_pkt_len).
inline constexpr unsigned kActionNesting = 16;

/// Megaflows that a worker's housekeeping looks at in one tick, and the least time between two ticks in
/// milliseconds.
inline constexpr unsigned kSweepMegaflows = 64;
inline constexpr unsigned kSweepIntervalMs = 1;

/// Entries of the connection table that one slice of a flush by filter looks at: under a millisecond.
inline constexpr std::uint32_t kFlushSlice = 4096;

/// Where one search for a connection to drop early looks: buckets of the index (some four connections each,
/// one usually does) and, where these have none, entries of the table.
inline constexpr unsigned kEarlyDropBuckets = 8;
inline constexpr unsigned kEarlyDropEntries = 64;

/// Connections expired by one tick of housekeeping.
inline constexpr unsigned kExpireConnections = 256;

/// How long a worker polls its ports after the last packet before it sleeps, in microseconds: waking up costs
/// about as much.
inline constexpr unsigned kPollBeforeSleepUs = 50;

/// Connections at most until ct-set-maxconns or the configuration says otherwise: what OVS users are used to;
/// about 650 MB when full.
inline constexpr std::uint32_t kMaxConnections = 3'000'000;

/// Memory for fragments that wait for the rest of their datagrams, in bytes: at 10 Gbit/s of nothing but
/// fragments, 25 milliseconds, a hundred times what the fragments of one datagram lie apart.
inline constexpr std::size_t kReassemblyBytes = std::size_t{32} << 20;

/// Fragments that wait at most until ipf-set-max-nfrags says otherwise: more than the memory holds of full
/// size.
inline constexpr std::uint32_t kReassemblyFragments = 32'768;

/// Datagrams whose time of reassembly is over that one tick of housekeeping drops.
inline constexpr unsigned kExpireDatagrams = 64;

/// Connections that a helper (alg=ftp, alg=tftp) looks after at once, with those that it expected and that
/// still live; 100 bytes each. Beyond it a connection gets no helper.
inline constexpr std::uint32_t kHelperFamilies = 262'144;

/// FTP control connections at once: each remembers what is on its way in both directions, about 2.5 KB.
inline constexpr std::uint32_t kFtpControls = 65'536;

/// Connections that helpers expect, in all and in one zone; 150 bytes each.
inline constexpr std::uint32_t kExpectations = 65'536;
inline constexpr std::uint32_t kExpectationsPerZone = 16'384;

/// Of one parent: some clients announce several data connections before they open them. One more and the
/// oldest goes.
inline constexpr unsigned kExpectationsPerParent = 8;

/// How long a connection is expected, in seconds: as long as the Linux kernel does.
inline constexpr unsigned kExpectationSeconds = 300;

/// Slots of the expectation table that one tick of housekeeping looks at.
inline constexpr unsigned kSweepExpectations = 64;

}  // namespace sluice::limits
