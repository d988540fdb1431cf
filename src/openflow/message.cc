#include "openflow/message.h"

#include <algorithm>

#include "base/check.h"
#include "openflow/all_messages.h"
#include "openflow/form.h"
#include "openflow/hello_elements.h"

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kExperimenterStats = 0xffff, kMoreFlag = 1;
constexpr unsigned kMaxDepth = 2;

struct Type {
  std::uint8_t vendor, request, reply;
};
constexpr Type types_of(OfVersion version) {
  return version == k10 ? Type{4, 16, 17} : Type{4, 18, 19};
}

bool is_multipart(Frame frame) {
  return frame != Frame::Plain && frame != Frame::Vendor;
}

/// What the first bytes of a message say of its form.
struct Key {
  Frame frame = Frame::Plain;
  std::uint32_t vendor = 0, type = 0;
  auto operator<=>(const Key&) const = default;
};

/// A form and how to decode what travels in it.
struct Entry {
  Key key;
  const WireForm* form;
  Result<std::unique_ptr<Body>> (*decode)(ByteReader& body, const DecodeContext& context);
};

/// Where it will stay: some messages are a kilobyte.
template <typename T>
Result<std::unique_ptr<Body>> decode_as(ByteReader& body, const DecodeContext& context) {
  auto message = std::make_unique<Body>(std::in_place_type<T>);
  SLUICE_TRY(T::decode(body, context, std::get<T>(message->variant())));
  return message;
}

/// All forms by key, made once from the list of types.
const std::vector<Entry>& all_entries() {
  static const std::vector<Entry> entries = [] {
    std::vector<Entry> all;
    AllMessages::each([&]<typename T>() {
      for (const WireForm& form : T::wire_forms())
        all.push_back({{form.frame, form.vendor, form.type}, &form, decode_as<T>});
    });
    std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
    return all;
  }();
  return entries;
}

tl::unexpected<Error> bad_type(std::string what, OfError code) {
  return fail(fmt::format("unknown {} ({})", what, field::of_error_name(code)), code);
}

Result<Key> read_key(Bytes bytes, OfVersion version) {
  const Type types = types_of(version);
  ByteReader in(bytes);
  in.skip(1);
  const std::uint8_t type = in.u8();
  in.skip(6);
  if (type == types.vendor) {
    const std::uint32_t vendor = in.u32(), subtype = in.u32();
    if (!in.ok()) return bad_length("message of a vendor");
    return Key{Frame::Vendor, vendor, subtype};
  }
  if (type != types.request && type != types.reply) return Key{Frame::Plain, 0, type};
  const std::uint16_t stats = in.u16();
  in.skip(version == k10 ? 2 : 6);
  if (!in.ok()) return bad_length("multipart message");
  const bool request = type == types.request;
  if (stats != kExperimenterStats) return Key{request ? Frame::Request : Frame::Reply, 0, stats};
  const std::uint32_t vendor = in.u32(), subtype = in.u32();
  if (!in.ok()) return bad_length("multipart message of a vendor");
  return Key{request ? Frame::VendorRequest : Frame::VendorReply, vendor, subtype};
}

bool is_of(const Entry& entry, const Key& key, OfVersion version) {
  return entry.key == key && entry.form->first <= version && version <= entry.form->last;
}

Result<const Entry*> find_entry(const Key& key, OfVersion version) {
  // Most messages are of the same type as the one before.
  thread_local const Entry* last = nullptr;
  if (last && is_of(*last, key, version)) return last;
  const auto& all = all_entries();
  for (auto entry = std::lower_bound(all.begin(), all.end(), key,
                                     [](const Entry& a, const Key& wanted) { return a.key < wanted; });
       entry != all.end() && entry->key == key; ++entry)
    if (is_of(*entry, key, version)) return last = &*entry;
  const bool plain = key.frame == Frame::Plain;
  const bool stats = key.frame == Frame::Request || key.frame == Frame::Reply;
  if (plain) return bad_type(fmt::format("message type {}", key.type), OfError::BrcBadType);
  if (stats) return bad_type(fmt::format("multipart type {}", key.type), OfError::BrcBadStat);
  const bool vendor_known = std::any_of(all.begin(), all.end(), [&](const Entry& entry) {
    return entry.key.frame == key.frame && entry.key.vendor == key.vendor;
  });
  // ONF has messages in every version, multipart ones in none.
  const bool known_elsewhere =
      key.vendor == kNiciraVendor || (key.vendor == kOnfVendor && key.frame == Frame::Vendor);
  if (!vendor_known && !known_elsewhere)
    return bad_type(fmt::format("experimenter {:#x}", key.vendor), OfError::BrcBadVendor);
  return bad_type(fmt::format("type {} of experimenter {:#x}", key.type, key.vendor), OfError::BrcBadSubtype);
}

Status check_length(const WireForm& form, std::size_t length) {
  const bool fits = form.step == 0 ? length == form.length
                                   : length >= form.length && (length - form.length) % form.step == 0;
  if (fits) return {};
  return bad_length(fmt::format("{} of {} bytes", form.name, length));
}

Result<const Entry*> entry_of(Bytes bytes, OfVersion version) {
  SLUICE_ASSIGN(const Key key, read_key(bytes, version));
  SLUICE_ASSIGN(const Entry* entry, find_entry(key, version));
  SLUICE_TRY(check_length(*entry->form, bytes.size()));
  return entry;
}

void write_header(const Message& message, std::size_t length, bool more, ByteWriter& out) {
  const WireForm& form = *message.form;
  const Type types = types_of(message.version);
  const bool request = form.frame == Frame::Request || form.frame == Frame::VendorRequest;
  out.u8(static_cast<std::uint8_t>(message.version));
  if (form.frame == Frame::Plain)
    out.u8(static_cast<std::uint8_t>(form.type));
  else
    out.u8(form.frame == Frame::Vendor ? types.vendor : request ? types.request : types.reply);
  out.u16(static_cast<std::uint16_t>(length));
  out.u32(message.xid);
  if (form.frame == Frame::Plain) return;
  if (is_multipart(form.frame)) {
    out.u16(form.vendor != 0 ? kExperimenterStats : form.type);
    out.u16(more ? kMoreFlag : 0);
    if (message.version != k10) out.zeros(4);
  }
  if (form.vendor == 0) return;
  out.u32(form.vendor);
  out.u32(form.type);
  if (is_multipart(form.frame) && message.version == k10) out.zeros(4);
}

const WireForm* choose_form(std::span<const WireForm> forms, const Dialect& dialect, Style style) {
  const WireForm* any = nullptr;
  for (const WireForm& form : forms) {
    if (dialect.version < form.first || form.last < dialect.version) continue;
    if (form.style == style) return &form;
    if (any == nullptr) any = &form;
  }
  return any;
}

const WireForm* choose_form(const Body& body, const Dialect& dialect) {
  return std::visit(
      [&]<typename T>(const T&) {
        const Style flows = dialect.nxm ? Style::Nicira : Style::Standard;
        return choose_form(T::wire_forms(), dialect, std::is_same_v<T, PacketIn> ? dialect.packet_in : flows);
      },
      body.variant());
}

std::string heading(const WireForm& form, OfVersion version, std::uint32_t xid) {
  std::string text(form.name);
  if (version != k10) text += fmt::format(" (OF1.{})", static_cast<unsigned>(version) - 1);
  return text + fmt::format(" (xid={:#x}):", xid);
}

std::string decode_error(std::string_view before, const Error& error, Bytes bytes) {
  const auto code = field::of_error(error);
  return fmt::format("{}***decode error: {}***\n{}", before,
                     code ? field::of_error_name(*code) : "OFPBRC_BAD_LEN", hex_dump(bytes, true));
}

}  // namespace

Message::Message(Body body, OfVersion v, std::uint32_t x, const WireForm& f)
    : Message(std::make_unique<Body>(std::move(body)), v, x, f) {}
Message::Message(std::unique_ptr<Body> body, OfVersion v, std::uint32_t x, const WireForm& f)
    : version(v), xid(x), form(&f), body_(std::move(body)) {}
Message::Message(const Message& other)
    : version(other.version),
      xid(other.xid),
      more(other.more),
      form(other.form),
      table_id(other.table_id),
      body_(std::make_unique<Body>(*other.body_)) {}
Message::Message(Message&& other) noexcept = default;
Message& Message::operator=(const Message& other) {
  if (this != &other) *this = Message(other);
  return *this;
}
Message& Message::operator=(Message&& other) noexcept = default;
Message::~Message() = default;

bool can_express(const Body& body, const Dialect& dialect) {
  return choose_form(body, dialect) != nullptr;
}

Message make_message(Body body, const Dialect& dialect, std::uint32_t xid) {
  const WireForm* form = choose_form(body, dialect);
  SLUICE_CHECK(form != nullptr);
  Message message(std::move(body), dialect.version, xid, *form);
  message.table_id = dialect.table_id;
  return message;
}

std::vector<std::uint8_t> encode(const Message& message) {
  Encoder body(message.version, *message.form, message.table_id);
  std::visit([&](const auto& b) { b.encode(body); }, message.body().variant());
  const Bytes bytes = body.out().bytes();
  const std::size_t header = header_bytes(*message.form, message.version);
  ByteWriter out;
  std::size_t start = 0;
  while (is_multipart(message.form->frame) && header + bytes.size() - start > kMaxMessageBytes) {
    // The last entry that begins within this message ends it.
    const auto& entries = body.entries();
    const auto after = std::upper_bound(entries.begin(), entries.end(), start + kMaxMessageBytes - header);
    if (after == entries.begin() || *(after - 1) <= start) {
      // An entry that fits no message is left out: what follows must not be taken for a part of it.
      if (entries.empty()) return {};
      start = after == entries.end() ? bytes.size() : *after;
      continue;
    }
    const std::size_t end = *(after - 1);
    write_header(message, header + end - start, true, out);
    out.append(bytes.subspan(start, end - start));
    start = end;
  }
  Bytes rest = bytes.subspan(start);
  if (header + rest.size() > kMaxMessageBytes) {
    // A list that has to be one message is told as far as it fits.
    const auto& entries = body.entries();
    const auto after = std::upper_bound(entries.begin(), entries.end(), kMaxMessageBytes - header);
    if (after == entries.begin()) return {};
    rest = rest.first(*(after - 1));
  }
  write_header(message, header + rest.size(), message.more, out);
  out.append(rest);
  return out.take();
}

namespace {

Result<Message> decode_nested(Bytes bytes, const DecodeOptions& options, unsigned depth) {
  const auto header = decode_header(bytes);
  if (!header || header->length != bytes.size()) return bad_length("message");
  if (!header->version)
    return fail(fmt::format("message of OpenFlow version {} (OFPBRC_BAD_TYPE)", bytes[0]),
                OfError::BrcBadType);
  SLUICE_ASSIGN(const Entry* entry, entry_of(bytes, *header->version));
  ByteReader in(bytes.subspan(header_bytes(*entry->form, *header->version)));
  const DecodeContext context{.version = *header->version,
                              .form = entry->form,
                              .table_id = options.table_id,
                              .xid = header->xid,
                              .depth = depth};
  SLUICE_ASSIGN(auto body, entry->decode(in, context));
  Message message(std::move(body), *header->version, header->xid, *entry->form);
  message.table_id = options.table_id;
  if (is_multipart(entry->form->frame)) message.more = (bytes[11] & kMoreFlag) != 0;
  return message;
}

}  // namespace

Result<const WireForm*> form_of(Bytes bytes, OfVersion version) {
  SLUICE_ASSIGN(const Entry* entry, entry_of(bytes, version));
  return entry->form;
}

bool only_switches_send(Bytes bytes, OfVersion version) {
  constexpr std::uint8_t kAlways[] = {6, 8, 10, 11, 12};  // replies and asynchronous messages of all versions
  constexpr std::uint8_t kLater[] = {21, 23, 25, 27, 30, 31, 32, 35};  // of 1.1 and later
  constexpr std::uint8_t kReplies10[] = {17, 19, 21};
  const std::uint8_t type = bytes[1];
  const auto among = [type](const auto& types) {
    return std::find(std::begin(types), std::end(types), type) != std::end(types);
  };
  const bool from_switch =
      among(kAlways) ||
      (version == k10 ? among(kReplies10) : among(kLater) || type == types_of(version).reply);
  return from_switch && form_of(bytes, version);
}

Result<Message> decode(Bytes bytes, const DecodeOptions& options) {
  return decode_nested(bytes, options, 0);
}

Result<Message> decode_inner(Bytes bytes, const DecodeContext& context) {
  if (context.depth + 1 > kMaxDepth)
    return fail("messages nested too deep (OFPBRC_BAD_TYPE)", OfError::BrcBadType);
  return decode_nested(bytes, {.table_id = context.table_id}, context.depth + 1);
}

namespace {

/// @param unknown_flags  of a multipart message, beside "more"
std::string format(const Message& message, const PrintOptions& options, std::uint16_t unknown_flags) {
  std::string text = heading(*message.form, message.version, message.xid);
  if (message.more || unknown_flags != 0) text += message.more ? " flags=[more]" : " flags=";
  if (unknown_flags != 0) text += fmt::format("[***unknown flags {:#06x}***]", unknown_flags);
  Printer printer(text, message.version, *message.form, options);
  std::visit([&](const auto& body) { body.format(printer); }, message.body().variant());
  if (text.back() != '\n') text += '\n';
  return text;
}

/// What the message does not say once it is decoded.
std::string format_received(const Message& message, Bytes bytes, const PrintOptions& options) {
  std::uint16_t unknown_flags = 0;
  if (is_multipart(message.form->frame))
    unknown_flags = static_cast<std::uint16_t>((bytes[10] << 8 | bytes[11]) & ~kMoreFlag);
  std::string text = format(message, options, unknown_flags);
  if (as<Hello>(message) && !understands_hello(bytes.subspan(kHeaderBytes)))
    text += " unknown data in hello:\n" + hex_dump(bytes, true);
  return text;
}

/// Lists whose entries begin with their length.
bool has_counted_entries(const WireForm& form) {
  constexpr std::string_view kNames[] = {"OFPST_FLOW reply",       "NXST_FLOW reply",
                                         "OFPST_GROUP_DESC reply", "OFPST_METER_CONFIG reply",
                                         "OFPST_TABLE_DESC reply", "OFPST_TABLE_FEATURES reply"};
  return std::find(std::begin(kNames), std::end(kNames), form.name) != std::end(kNames);
}

/// Of a list that is wrong somewhere, the entries before the fault; nothing if there are none.
std::optional<Message> sound_part(Bytes bytes) {
  const auto header = decode_header(bytes);
  const auto key = read_key(bytes, *header->version);
  const auto entry =
      key ? find_entry(*key, *header->version) : Result<const Entry*>(tl::unexpected<Error>(key.error()));
  if (!entry || !has_counted_entries(*(*entry)->form)) return std::nullopt;
  std::vector<std::size_t> ends;
  for (std::size_t at = header_bytes(*(*entry)->form, *header->version); at + 2 <= bytes.size();) {
    const std::size_t length = bytes[at] << 8 | bytes[at + 1];
    if (length < kHeaderBytes || length > bytes.size() - at) break;
    ends.push_back(at += length);
  }
  std::optional<Message> sound;
  // The longest that is sound: what is before it is, too.
  for (std::size_t low = 0, high = ends.size(); low < high;) {
    const std::size_t middle = (low + high) / 2;
    std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(ends[middle]));
    part[2] = static_cast<std::uint8_t>(part.size() >> 8);
    part[3] = static_cast<std::uint8_t>(part.size());
    if (auto message = decode(part)) {
      sound = std::move(*message);
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return sound;
}

/// How a message of a type that is known begins, as far as its bytes tell the type; empty if they don't.
std::string known_heading(Bytes bytes, const Header& header, bool complete) {
  if (!header.version) return {};
  const auto key = read_key(bytes, *header.version);
  if (!key) return {};
  const auto entry = find_entry(*key, *header.version);
  if (!entry || (complete && !check_length(*(*entry)->form, bytes.size()))) return {};
  return heading(*(*entry)->form, *header.version, header.xid);
}

}  // namespace

std::string format(const Message& message, const PrintOptions& options) {
  return format(message, options, 0);
}

std::string print(Bytes bytes, const PrintOptions& options) {
  const auto header = decode_header(bytes);
  if (!header)
    return fmt::format("OpenFlow packet too short (only {} bytes):\n", bytes.size()) + hex_dump(bytes, true);
  if (header->length > bytes.size()) {
    const std::string known = known_heading(bytes, *header, false);
    return fmt::format("{}{}(***truncated to {} bytes from {}***)\n{}", known, known.empty() ? "" : "\n",
                       bytes.size(), header->length, hex_dump(bytes, true));
  }
  if (header->length < bytes.size())
    return fmt::format("(***only uses {} bytes out of {}***)\n", header->length, bytes.size()) +
           hex_dump(bytes, true);

  const auto message = decode(bytes);
  const auto* error = message ? std::get_if<ErrorMessage>(&message->body().variant()) : nullptr;
  if (message && (error == nullptr || error->error)) return format_received(*message, bytes, options);
  const Error why = message ? bad_length("unknown error").value() : message.error();

  if (header->version)
    if (const auto sound = sound_part(bytes)) return decode_error(format(*sound, options), why, bytes);
  // What is wrong with the body follows the heading, what is wrong with the type or the length stands alone.
  std::string before = known_heading(bytes, *header, true);
  if (!before.empty()) before += ' ';
  return decode_error(before, why, bytes);
}

std::optional<Header> decode_header(Bytes bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  ByteReader in(bytes);
  Header header;
  const std::uint8_t version = in.u8();
  if (version >= static_cast<std::uint8_t>(k10) && version <= static_cast<std::uint8_t>(k15))
    header.version = static_cast<OfVersion>(version);
  header.type = in.u8();
  header.length = in.u16();
  header.xid = in.u32();
  return header;
}

void Splitter::append(Bytes bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Bytes>> Splitter::next() {
  const Bytes rest = Bytes(buffer_).subspan(taken_);
  const auto header = decode_header(rest);
  if (!header) return std::optional<Bytes>{};
  if (header->length < kHeaderBytes)
    return fail(fmt::format("message of {} bytes: expected at least 8 (OFPBRC_BAD_LEN)", header->length),
                OfError::BrcBadLen);
  if (rest.size() < header->length) return std::optional<Bytes>{};
  taken_ += header->length;
  return rest.first(header->length);
}

}  // namespace sluice::openflow
