// Matches as text, in ovs-ofctl syntax.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::field {

/// Applies one "name", "name=value" or "name=value/mask" word (shorthands like "tcp" included) to a match.
/// Returns whether the word names a match at all: false leaves the match alone, so that a flow parser can try
/// its own words.
Result<bool> parse_match_word(flow::Match& match, std::string_view name, std::string_view value,
                              bool has_value, const NameResolver* names = nullptr);

/// Brings a match whose words have all been read into its canonical form: what is demanded of a field whose
/// prerequisite the match lacks is dropped, as ovs-ofctl does ("nw_src=10.0.0.1" without "ip"). Returns a
/// sentence that says what was dropped, empty if nothing was. Fields of the connection's original direction
/// without a match on a valid tracked state are an error (OFPBMC_BAD_PREREQ).
Result<std::string> settle_match(flow::Match& match);

/// "tcp,nw_src=10.0.0.1,tp_dst=80", settled. `warning`, if given, gets what settle_match and impossible_match
/// say.
Result<flow::Match> parse_match(std::string_view text, const NameResolver* names = nullptr,
                                std::string* warning = nullptr);
/// As ovs-ofctl prints it, without priority: "tcp,nw_src=10.0.0.1,tp_dst=80"; empty for a match on
/// everything.
std::string format_match(const flow::Match& match, const NameResolver* names = nullptr);

/// A sentence about a match that can never be met (ct_state=+new+inv …), empty if none is known.
std::string impossible_match(const flow::Match& match);

}  // namespace sluice::field
