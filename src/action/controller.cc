#include "action/controller.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kController1 = 20, kController2 = 37;
enum Property : std::uint16_t {
  kMaxLen = 0,
  kId = 1,
  kReason = 2,
  kUserdata = 3,
  kPause = 4,
  kMeterId = 5,
  kExperimenter = 0xffff
};

/// OFPR_*, in their order.
constexpr std::string_view kReasons[] = {"no_match", "action",     "invalid_ttl",   "action_set",
                                         "group",    "packet_out", "explicit_miss", "implicit_miss"};
constexpr std::uint8_t kReasonAction = 1;

Status decode1(ByteReader& body, const DecodeContext&, ActionList& out) {
  Controller action;
  action.max_len = body.u16();
  action.id = body.u16();
  action.reason = body.u8();
  out.push_back(std::move(action));
  return {};
}

Status decode2(ByteReader& body, const DecodeContext&, ActionList& out) {
  if (!body.skip_zeros(6))
    return fail("controller2: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  Controller action;
  while (body.remaining() > 0) {
    const std::size_t remaining = body.remaining();
    const std::uint16_t type = body.u16();
    const std::uint16_t length = body.u16();
    const std::size_t padded = (length + 7u) / 8 * 8;
    if (!body.ok() || length < 4 || padded > remaining)
      return fail("controller2: property of length " + std::to_string(length) + " (OFPBPC_BAD_LEN)",
                  OfError::BpcBadLen);
    ByteReader property(body.take(padded - 4));
    const std::size_t payload = length - 4u;
    const auto need = [&](std::size_t bytes) -> Status {
      // Shorter values may come with the padding counted.
      if (payload == bytes || (bytes > 0 && bytes < 4 && payload == 4)) return {};
      return fail("controller2: property " + std::to_string(type) + " of " + std::to_string(length) +
                      " bytes (OFPBPC_BAD_LEN)",
                  OfError::BpcBadLen);
    };
    switch (type) {
      case kMaxLen:
        SLUICE_TRY(need(2));
        action.max_len = property.u16();
        break;
      case kId:
        SLUICE_TRY(need(2));
        action.id = property.u16();
        break;
      case kReason:
        SLUICE_TRY(need(1));
        action.reason = property.u8();
        break;
      case kUserdata: {
        const Bytes data = property.take(payload);
        action.userdata.assign(data.begin(), data.end());
        break;
      }
      case kPause:
        SLUICE_TRY(need(0));
        action.pause = true;
        break;
      case kMeterId:
        SLUICE_TRY(need(4));
        action.meter = property.u32();
        action.has_meter = true;
        break;
      case kExperimenter:
        SLUICE_TRY(need(8));
        [[fallthrough]];
      default:
        return fail("controller2: unknown property " + std::to_string(type) + " (OFPBPC_BAD_TYPE)",
                    OfError::BpcBadType);
    }
  }
  out.push_back(std::move(action));
  return {};
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kController1, OfVersion::k10, OfVersion::k15, 16, true, decode1},
    {kNiciraVendor, kController2, OfVersion::k10, OfVersion::k15, 16, false, decode2},
};

void property(Encoder& out, Property type, std::uint32_t value, unsigned bytes) {
  ByteWriter& w = out.out();
  const std::size_t start = w.size();
  w.u16(type);
  // Sixteen bits travel as a 32-bit property whose second half is zero: its length counts that half.
  w.u16(static_cast<std::uint16_t>(bytes == 2 ? 8 : 4 + bytes));
  for (int shift = static_cast<int>(bytes) * 8 - 8; shift >= 0; shift -= 8)
    w.u8(static_cast<std::uint8_t>(value >> shift));
  w.pad(start, 8);
}

}  // namespace

std::span<const WireForm> Controller::wire_forms() {
  return kForms;
}

Status Controller::parse(const Word& word, const ParseContext&, ActionList& out) {
  Controller action;
  const auto limit = [&](std::string_view text) -> Status {
    SLUICE_ASSIGN(const std::uint64_t max_len, parse_number(text, 0xffff, "max_len"));
    action.max_len = static_cast<std::uint16_t>(max_len);
    return {};
  };
  const std::string_view argument = trim(word.argument);
  if (!argument.empty() && field::parse_integer(argument)) {
    SLUICE_TRY(limit(argument));
  } else {
    std::string_view rest = argument;
    while (const auto option = next_word(rest)) {
      if (option->name == "max_len") {
        SLUICE_TRY(limit(option->argument));
      } else if (option->name == "id") {
        SLUICE_ASSIGN(const std::uint64_t id, parse_number(option->argument, 0xffff, "id"));
        action.id = static_cast<std::uint16_t>(id);
      } else if (option->name == "reason") {
        bool known = false;
        for (std::size_t i = 0; i < std::size(kReasons); ++i)
          if (kReasons[i] == option->argument) action.reason = static_cast<std::uint8_t>(i), known = true;
        if (!known) return fail("unknown reason \"" + std::string(option->argument) + "\"");
      } else if (option->name == "userdata") {
        SLUICE_ASSIGN(action.userdata, parse_hex_bytes(option->argument, "userdata"));
      } else if (option->name == "pause") {
        action.pause = true;
      } else if (option->name == "meter_id") {
        SLUICE_ASSIGN(const std::uint64_t meter, parse_number(option->argument, 0xffffffff, "meter_id"));
        action.meter = static_cast<std::uint32_t>(meter);
        action.has_meter = true;
      } else {
        return fail("unknown key \"" + std::string(option->name) + "\" parsing controller action");
      }
    }
  }
  // Without options it is an output like any other.
  if (action == Controller{.max_len = action.max_len})
    out.push_back(Output{of_port::kController, action.max_len});
  else
    out.push_back(std::move(action));
  return {};
}

void Controller::format(std::string& out, const Names&) const {
  if (*this == Controller{.max_len = max_len}) {
    out += "CONTROLLER:" + std::to_string(max_len);
    return;
  }
  std::string options;
  const auto add = [&](const std::string& option) { options += (options.empty() ? "" : ",") + option; };
  if (reason != kReasonAction)
    add("reason=" + (reason < std::size(kReasons) ? std::string(kReasons[reason]) : std::to_string(reason)));
  if (max_len != 0xffff) add("max_len=" + std::to_string(max_len));
  if (id != 0) add("id=" + std::to_string(id));
  if (!userdata.empty()) add("userdata=" + format_hex_bytes(userdata));
  if (pause) add("pause");
  if (has_meter) add("meter_id=" + std::to_string(meter));
  out += "controller(" + options + ")";
}

void Controller::encode(Encoder& out) const {
  if (userdata.empty() && !pause && !has_meter) {
    out.begin_nicira(kController1);
    out.out().u16(max_len);
    out.out().u16(id);
    out.out().u8(reason);
    out.end();
    return;
  }
  out.begin_nicira(kController2);
  ByteWriter& w = out.out();
  w.zeros(6);
  if (max_len != 0xffff) property(out, kMaxLen, max_len, 2);
  if (id != 0) property(out, kId, id, 2);
  if (reason != kReasonAction) property(out, kReason, reason, 1);
  if (!userdata.empty()) {
    const std::size_t start = w.size();
    w.u16(kUserdata);
    w.u16(static_cast<std::uint16_t>(4 + userdata.size()));
    w.append(userdata);
    w.pad(start, 8);
  }
  if (pause) property(out, kPause, 0, 0);
  if (has_meter) property(out, kMeterId, meter, 4);
  out.end();
}

Status Controller::check(CheckContext&) const {
  return {};
}

void Controller::translate(Translation& translation) const {
  translation.controller(*this);
}

}  // namespace sluice::action
