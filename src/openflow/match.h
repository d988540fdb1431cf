// Matches in messages: the fixed structures of OpenFlow 1.0 and 1.1 (specification 1.0.0 section 5.2.3, 1.1.0
// section A.2.3), NXM and OXM.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "flow/flow_key.h"
#include "openflow/codec.h"

namespace sluice::openflow {

inline constexpr std::size_t kMatch10Bytes = 40, kMatch11Bytes = 88;

/// What a 1.0 match can't say is left out.
void encode_match10(const flow::Match& match, ByteWriter& out);
flow::Match decode_match10(ByteReader& in);

void encode_match11(const flow::Match& match, ByteWriter& out);
/// Errors: OFPBMC_BAD_TAG, BAD_VALUE, BAD_WILDCARDS, BAD_NW_ADDR_MASK.
Result<flow::Match> decode_match11(ByteReader& in);

/// The match of OpenFlow 1.1 and later with its header and padding: the fixed structure in 1.1, OXM after
/// that. A reader takes either in every version.
void put_match(const flow::Match& match, OfVersion version, ByteWriter& out);
/// The same with OXM in every version, the headers of NXM in 1.1.
void put_oxm_match(const flow::Match& match, OfVersion version, ByteWriter& out);
Result<flow::Match> take_match(ByteReader& in, OfVersion version, bool strict = true);
/// The same into a match that demands nothing yet.
Status take_match(ByteReader& in, OfVersion version, bool strict, flow::Match& match);

/// A flow's cookie, which NXM carries among the fields of a match.
struct CookieMatch {
  std::uint64_t cookie = 0, mask = 0;
};
/// NXM without header, padded to 8; returns the length without padding.
std::uint16_t encode_nxm(const flow::Match& match, const CookieMatch& cookie, ByteWriter& out);
/// Takes `length` bytes and their padding.
Result<flow::Match> decode_nxm(ByteReader& in, std::size_t length, bool strict,
                               CookieMatch* cookie = nullptr);

/// "priority=5,tcp"; the priority is left out if it is the default.
std::string format_match(const flow::Match& match, std::uint16_t priority, const Names& names);

}  // namespace sluice::openflow
