#include "action/output.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kOutput = 0, kOutputReg = 15, kOutputReg2 = 32, kOutputTrunc = 39;
/// An Ethernet header is what a truncated packet keeps at least.
constexpr std::uint32_t kMinTruncated = 14;

Status bad_port(std::uint32_t port) {
  return fail("output to port " + field::format_port(port) +
                  ": expected a port of the switch, or IN_PORT, TABLE, "
                  "NORMAL, FLOOD, ALL, CONTROLLER or LOCAL (OFPBAC_BAD_OUT_PORT)",
              OfError::BacBadOutPort);
}

Status check_port(std::uint32_t port) {
  constexpr std::uint32_t kEndOfPhysical = 0xff00;
  if (port < kEndOfPhysical || (port >= of_port::kInPort && port != of_port::kNone)) return {};
  return bad_port(port);
}

bool can_truncate(std::uint32_t port) {
  return port < of_port::kMax || port == of_port::kLocal || port == of_port::kInPort;
}

Status decode_output10(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint32_t port = port_from_16(body.u16());
  const std::uint16_t max_len = body.u16();
  SLUICE_TRY(check_port(port));
  out.push_back(Output{.port = port, .max_len = max_len});
  return {};
}

Status decode_output11(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint32_t port = body.u32();
  const std::uint16_t max_len = body.u16();
  SLUICE_TRY(check_port(port));
  out.push_back(Output{.port = port, .max_len = max_len});
  return {};
}

Status decode_output_reg(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t ofs_nbits = body.u16();
  ByteReader header = body;
  body.skip(4);
  const std::uint16_t max_len = body.u16();
  if (!body.skip_zeros(6))
    return fail("output_reg: padding is not zero (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(header));
  SLUICE_ASSIGN(const field::Subfield source, make_subfield(*spec, ofs_nbits >> 6, (ofs_nbits & 63u) + 1));
  out.push_back(OutputReg{.source = source, .max_len = max_len});
  return {};
}

Status decode_output_reg2(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t ofs_nbits = body.u16();
  const std::uint16_t max_len = body.u16();
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body, OfError::BmcBadField));
  if (!body.skip_zeros(body.remaining()))
    return fail("output_reg2: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BacBadArgument);
  SLUICE_ASSIGN(const field::Subfield source, make_subfield(*spec, ofs_nbits >> 6, (ofs_nbits & 63u) + 1));
  out.push_back(OutputReg{.source = source, .max_len = max_len});
  return {};
}

Status decode_output_trunc(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint32_t port = port_from_16(body.u16());
  const std::uint32_t max_len = body.u32();
  if (!can_truncate(port) || max_len < kMinTruncated)
    return fail("truncated output to port " + field::format_port(port) + " with max_len " +
                    std::to_string(max_len) +
                    ": expected a real port and at least 14 bytes (OFPBAC_BAD_OUT_PORT)",
                max_len < kMinTruncated ? OfError::BacBadArgument : OfError::BacBadOutPort);
  out.push_back(OutputTruncated{.port = port, .max_len = max_len});
  return {};
}

constexpr WireForm kOutputForms[] = {
    {0, kOutput, OfVersion::k10, OfVersion::k10, 8, true, decode_output10},
    {0, kOutput, OfVersion::k11, OfVersion::k15, 16, true, decode_output11},
};
constexpr WireForm kRegForms[] = {
    {kNiciraVendor, kOutputReg, OfVersion::k10, OfVersion::k15, 24, true, decode_output_reg},
    {kNiciraVendor, kOutputReg2, OfVersion::k10, OfVersion::k15, 24, true, decode_output_reg2},
};
constexpr WireForm kTruncForms[] = {
    {kNiciraVendor, kOutputTrunc, OfVersion::k10, OfVersion::k15, 16, true, decode_output_trunc},
};

Status parse_truncated(std::string_view text, const ParseContext& context, ActionList& out) {
  OutputTruncated action;
  bool has_port = false, has_len = false;
  std::string_view rest = text;
  while (const auto word = next_word(rest)) {
    if (word->name == "port") {
      const auto port = parse_port(word->argument, context.names);
      if (!port) return fail(std::string(word->argument) + ": output to unknown truncate port");
      action.port = *port;
      has_port = true;
    } else if (word->name == "max_len") {
      SLUICE_ASSIGN(const std::uint64_t max_len, parse_number(word->argument, 0xffffffff, "max_len"));
      action.max_len = static_cast<std::uint32_t>(max_len);
      has_len = true;
    } else {
      return fail("invalid key '" + std::string(word->name) +
                  "' in output_trunc argument: expected port and max_len");
    }
  }
  if (!has_port || !has_len)
    return fail("output(" + std::string(text) + "): expected output(port=PORT,max_len=BYTES)");
  if (!can_truncate(action.port))
    return fail("output to unsupported truncate port: " + std::string(field::format_port(action.port)));
  if (action.max_len < kMinTruncated)
    return fail("max_len " + std::to_string(action.max_len) + " is less than the minimum value 14");
  out.push_back(action);
  return {};
}

}  // namespace

// --- output

std::span<const WireForm> Output::wire_forms() {
  return kOutputForms;
}

Status Output::parse(const Word& word, const ParseContext& context, ActionList& out) {
  if (const auto port = parse_port(word.argument, context.names)) {
    out.push_back(Output{.port = *port,
                         .max_len = static_cast<std::uint16_t>(*port == of_port::kController ? 0xffff : 0)});
    return {};
  }
  if (word.argument.find('=') != std::string_view::npos) return parse_truncated(word.argument, context, out);
  const auto source = field::parse_subfield(word.argument);
  if (!source)
    return fail(std::string(word.argument) +
                ": output to unknown port: expected a port number, a port's name or a field");
  out.push_back(OutputReg{.source = *source});
  return {};
}

void Output::format(std::string& out, const Names& names) const {
  if (port == of_port::kController) {
    out += "CONTROLLER:" + std::to_string(max_len);
  } else {
    if (port < of_port::kMax) out += "output:";
    out += format_port(port, names);
  }
}

void Output::encode(Encoder& out) const {
  out.begin(kOutput);
  if (out.version() == OfVersion::k10) {
    out.out().u16(port_to_16(port));
    out.out().u16(max_len);
  } else {
    out.out().u32(port);
    out.out().u16(max_len);
  }
  out.end();
}

Status Output::check(CheckContext&) const {
  return check_port(port);
}

void Output::translate(Translation& translation) const {
  translation.output(port, max_len);
}

// --- output:field

std::span<const WireForm> OutputReg::wire_forms() {
  return kRegForms;
}

Status OutputReg::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const field::Subfield source, field::parse_subfield(word.argument));
  out.push_back(OutputReg{.source = source});
  return {};
}

void OutputReg::format(std::string& out, const Names&) const {
  out += "output:" + field::format_subfield(source);
}

void OutputReg::encode(Encoder& out) const {
  out.begin_nicira(kOutputReg);
  out.out().u16(offset_width(source));
  encode_header(source.field, OfVersion::k10, out.out());
  out.out().u16(max_len);
  out.end();
}

Status OutputReg::check(CheckContext& context) const {
  return check_readable(context, source, "output");
}

void OutputReg::translate(Translation& translation) const {
  const field::FieldValue port = translation.read(source);
  if (port <= 0xffff)
    translation.output(port_from_16(static_cast<std::uint16_t>(port)), max_len);
  else if (port >= of_port::kMax && port <= 0xffffffff)
    translation.output(static_cast<std::uint32_t>(port), max_len);
}

// --- output(port=,max_len=)

std::span<const WireForm> OutputTruncated::wire_forms() {
  return kTruncForms;
}

Status OutputTruncated::parse(const Word& word, const ParseContext& context, ActionList& out) {
  return parse_truncated(word.argument, context, out);
}

void OutputTruncated::format(std::string& out, const Names& names) const {
  out += "output(port=" + format_port(port, names) + ",max_len=" + std::to_string(max_len) + ")";
}

void OutputTruncated::encode(Encoder& out) const {
  out.begin_nicira(kOutputTrunc);
  out.out().u16(port_to_16(port));
  out.out().u32(max_len);
  out.end();
}

Status OutputTruncated::check(CheckContext&) const {
  return check_port(port);
}

void OutputTruncated::translate(Translation& translation) const {
  translation.output_truncated(port, max_len);
}

}  // namespace sluice::action
