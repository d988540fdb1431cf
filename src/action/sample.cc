#include "action/sample.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kSample = 29, kSample2 = 38, kSample3 = 41;

Sample decode_common(ByteReader& body) {
  Sample action;
  action.probability = body.u16();
  action.collector_set = body.u32();
  action.domain = body.u32();
  action.point = body.u32();
  return action;
}
Status finish(const Sample& action, ActionList& out) {
  if (action.probability == 0)
    return fail("sample: probability is 0 (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  out.push_back(action);
  return {};
}
Status decode1(ByteReader& body, const DecodeContext&, ActionList& out) {
  return finish(decode_common(body), out);
}
Status decode2(ByteReader& body, const DecodeContext&, ActionList& out) {
  Sample action = decode_common(body);
  action.sampling_port = port_from_16(body.u16());
  body.skip(6);
  return finish(action, out);
}
Status decode3(ByteReader& body, const DecodeContext&, ActionList& out) {
  Sample action = decode_common(body);
  action.sampling_port = port_from_16(body.u16());
  const std::uint8_t direction = body.u8();
  if (direction > 2)
    return fail("sample3: direction " + std::to_string(direction) + " (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  action.direction = static_cast<Sample::Direction>(direction);
  if (!body.skip_zeros(5))
    return fail("sample3: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  return finish(action, out);
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kSample, OfVersion::k10, OfVersion::k15, 24, true, decode1},
    {kNiciraVendor, kSample2, OfVersion::k10, OfVersion::k15, 32, true, decode2},
    {kNiciraVendor, kSample3, OfVersion::k10, OfVersion::k15, 32, true, decode3},
};

}  // namespace

std::span<const WireForm> Sample::wire_forms() {
  return kForms;
}
Status Sample::parse(const Word& word, const ParseContext& context, ActionList& out) {
  Sample action;
  std::string_view rest = word.argument;
  while (const auto option = next_word(rest)) {
    const auto number = [&](std::uint32_t& target) -> Status {
      SLUICE_ASSIGN(const std::uint64_t value, parse_number(option->argument, 0xffffffff, option->name));
      target = static_cast<std::uint32_t>(value);
      return {};
    };
    if (option->name == "probability") {
      SLUICE_ASSIGN(const std::uint64_t value, parse_number(option->argument, 0xffff, "probability"));
      if (value == 0) return fail("invalid probability value \"" + std::string(option->argument) + "\"");
      action.probability = static_cast<std::uint16_t>(value);
    } else if (option->name == "collector_set_id") {
      SLUICE_TRY(number(action.collector_set));
    } else if (option->name == "obs_domain_id") {
      SLUICE_TRY(number(action.domain));
    } else if (option->name == "obs_point_id") {
      SLUICE_TRY(number(action.point));
    } else if (option->name == "sampling_port") {
      const auto port = parse_port(option->argument, context.names);
      if (!port) return fail(std::string(option->argument) + ": unknown port");
      action.sampling_port = *port;
    } else if (option->name == "ingress") {
      action.direction = Direction::Ingress;
    } else if (option->name == "egress") {
      action.direction = Direction::Egress;
    } else {
      return fail("invalid key \"" + std::string(option->name) + "\" in \"sample\" argument");
    }
  }
  if (action.probability == 0) return fail("non-zero \"probability\" must be specified on sample");
  out.push_back(action);
  return {};
}
void Sample::format(std::string& out, const Names& names) const {
  out += "sample(probability=" + std::to_string(probability) +
         ",collector_set_id=" + std::to_string(collector_set) + ",obs_domain_id=" + std::to_string(domain) +
         ",obs_point_id=" + std::to_string(point);
  if (sampling_port != of_port::kNone) out += ",sampling_port=" + format_port(sampling_port, names);
  if (direction == Direction::Ingress) out += ",ingress";
  if (direction == Direction::Egress) out += ",egress";
  out += ")";
}
void Sample::encode(Encoder& out) const {
  const bool with_direction = direction != Direction::Default;
  const bool with_port = with_direction || sampling_port != of_port::kNone;
  out.begin_nicira(with_direction ? kSample3 : with_port ? kSample2 : kSample);
  ByteWriter& w = out.out();
  w.u16(probability);
  w.u32(collector_set);
  w.u32(domain);
  w.u32(point);
  if (with_port) w.u16(port_to_16(sampling_port));
  if (with_direction) w.u8(static_cast<std::uint8_t>(direction));
  out.end();
}
Status Sample::check(CheckContext&) const {
  return {};
}
void Sample::translate(Translation& translation) const {
  translation.sample(probability, collector_set, domain, point);
}

}  // namespace sluice::action
