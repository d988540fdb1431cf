#include "conntrack/helper/ftp.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/address.h"

namespace sluice::conntrack::ftp {
namespace {

constexpr bool is_digit(std::uint8_t byte) {
  return byte >= '0' && byte <= '9';
}
constexpr bool ends_line(std::uint8_t byte) {
  return byte == '\r' || byte == '\n';
}
/// RFC 2428 section 2: any printable character.
constexpr bool is_delimiter(std::uint8_t byte) {
  return byte >= 33 && byte <= 126 && !is_digit(byte);
}
constexpr std::uint32_t word_of(std::string_view text) {
  std::uint32_t word = 0;
  for (const char c : text) word = word << 8 | static_cast<std::uint8_t>(c);
  return word;
}
constexpr std::uint8_t upper(std::uint8_t byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<std::uint8_t>(byte - 'a' + 'A') : byte;
}

constexpr unsigned kPasvReply = 227, kEpsvReply = 229;

class Writer {
 public:
  void put(char c) {
    SLUICE_DCHECK(text.size < text.bytes.size());
    text.bytes[text.size++] = c;
  }
  void put(std::string_view s) {
    for (const char c : s) put(c);
  }
  void number(unsigned value) {
    char digits[8];
    const auto done = std::to_chars(digits, digits + sizeof digits, value);
    put(std::string_view(digits, static_cast<std::size_t>(done.ptr - digits)));
  }
  Text text;
};

}  // namespace

Text write(const Announcement& a, char end) {
  Writer out;
  switch (a.form) {
    case Announcement::Form::Port:
    case Announcement::Form::Pasv: {
      const std::uint32_t address = net::v4_of(a.address).host();
      for (unsigned shift = 32; shift != 0;) {
        shift -= 8;
        out.number(address >> shift & 0xff);
        out.put(',');
      }
      out.number(a.port >> 8);
      out.put(',');
      out.number(a.port & 0xff);
      out.put(end);
      break;
    }
    case Announcement::Form::Eprt:
      out.put(a.delimiter);
      out.put(a.is_ipv6 ? '2' : '1');
      out.put(a.delimiter);
      out.put(a.is_ipv6 ? net::format_ipv6(a.address) : net::format_ipv4(net::v4_of(a.address)));
      out.put(a.delimiter);
      out.number(a.port);
      out.put(a.delimiter);
      break;
    case Announcement::Form::Epsv:
      out.number(a.port);
      out.put(a.delimiter);
      break;
  }
  return out.text;
}

Scanner::Step Scanner::feed(std::uint8_t byte) {
  switch (state_) {
    case State::Word:
      return word(byte);
    case State::Space:
      if (byte == ' ' || byte == '\t') return Step::Pass;
      length_ = 0;
      count_ = digits_ = 0;
      number_ = 0;
      if (announcement_.form == Announcement::Form::Port && is_digit(byte)) {
        state_ = State::Six;
        return six(byte);
      }
      if (announcement_.form == Announcement::Form::Eprt && is_delimiter(byte)) {
        announcement_.delimiter = static_cast<char>(byte);
        return hold(State::EprtFamily);
      }
      state_ = State::Skip;
      [[fallthrough]];
    case State::Skip:
      break;
    case State::SkipDigits:
      if (is_digit(byte)) return Step::Pass;
      state_ = State::Search;
      [[fallthrough]];
    case State::Search:
      count_ = digits_ = 0;
      number_ = 0;
      announcement_.delimiter = '|';
      if (announcement_.form == Announcement::Form::Pasv && is_digit(byte)) {
        state_ = State::Six;
        return six(byte);
      }
      if (announcement_.form == Announcement::Form::Epsv && byte == '(') {
        state_ = State::EpsvOpen;
        return Step::Pass;
      }
      break;
    case State::EpsvOpen:
      if (count_ == 0 && is_delimiter(byte) && byte != '(') announcement_.delimiter = static_cast<char>(byte);
      if (count_ < 3 && byte == static_cast<std::uint8_t>(announcement_.delimiter)) {
        ++count_;
        return Step::Pass;
      }
      if (count_ == 3 && is_digit(byte)) {
        state_ = State::EpsvPort;
        return port(byte);
      }
      state_ = State::Search;
      return feed(byte);
    case State::Six:
      return six(byte);
    case State::EpsvPort:
    case State::EprtPort:
      return port(byte);
    case State::EprtFamily:
    case State::EprtAddress:
      return eprt(byte);
  }
  if (byte == '\n') begin_line();
  return Step::Pass;
}

void Scanner::begin_line() {
  state_ = State::Word;
  count_ = 0;
  word_ = 0;
}

/// A command of four letters and what ends it, or a reply code of three digits and what follows it.
Scanner::Step Scanner::word(std::uint8_t byte) {
  if (byte == '\n') {
    begin_line();
    return Step::Pass;
  }
  const unsigned letters = speaker_ == Speaker::Client ? 4 : 3;
  if (count_ < letters) {
    word_ = word_ << 8 | upper(byte);
    ++count_;
    if (speaker_ == Speaker::Server && !is_digit(byte)) state_ = State::Skip;
    return Step::Pass;
  }
  state_ = State::Skip;
  if (speaker_ == Speaker::Server) {
    begin_reply(byte);
  } else if (byte == ' ' || byte == '\t') {
    announcement_ = {};
    if (word_ == word_of("PORT")) {
      announcement_.form = Announcement::Form::Port;
      state_ = State::Space;
    } else if (word_ == word_of("EPRT")) {
      announcement_.form = Announcement::Form::Eprt;
      state_ = State::Space;
    }
  }
  return Step::Pass;
}

void Scanner::begin_reply(std::uint8_t separator) {
  const unsigned code = (word_ >> 16 & 0xf) * 100 + (word_ >> 8 & 0xf) * 10 + (word_ & 0xf);
  if (multi_line_ == 0) {
    if (separator == '-')
      multi_line_ = static_cast<std::uint16_t>(code);
    else if (separator != ' ')
      return;
  } else if (multi_line_ == code) {
    if (separator == ' ')
      multi_line_ = 0;
    else if (separator != '-')
      return;
  } else {
    return;
  }
  if (code != kPasvReply && code != kEpsvReply) return;
  announcement_ = {};
  announcement_.form = code == kPasvReply ? Announcement::Form::Pasv : Announcement::Form::Epsv;
  state_ = State::Search;
}

bool Scanner::add_digit(std::uint8_t byte, unsigned max_digits, std::uint32_t max) {
  number_ = number_ * 10 + (byte - '0');
  return ++digits_ <= max_digits && number_ <= max;
}

Scanner::Step Scanner::six(std::uint8_t byte) {
  if (is_digit(byte)) return add_digit(byte, 3, 255) ? Step::Hold : fail(byte);
  if (digits_ == 0) return fail(byte);
  six_[count_] = static_cast<std::uint8_t>(number_);
  ++count_;
  number_ = 0;
  digits_ = 0;
  if (count_ < 6) return byte == ',' ? Step::Hold : fail(byte);
  const bool is_command = announcement_.form == Announcement::Form::Port;
  // A seventh number, or anything behind a command's argument, and it is not what we think it is.
  if (byte == ',' || (is_command && byte != ' ' && !ends_line(byte))) return fail(byte);
  announcement_.address = net::v4_mapped(be32{static_cast<std::uint32_t>(six_[0]) << 24 |
                                              static_cast<std::uint32_t>(six_[1]) << 16 |
                                              static_cast<std::uint32_t>(six_[2]) << 8 | six_[3]});
  announcement_.port = static_cast<std::uint16_t>(six_[4] << 8 | six_[5]);
  if (announcement_.port == 0) return fail(byte);
  return found(byte);
}

/// The port of EPRT and EPSV and the delimiter behind it.
Scanner::Step Scanner::port(std::uint8_t byte) {
  if (is_digit(byte)) return add_digit(byte, 5, 65535) ? Step::Hold : fail(byte);
  if (byte != static_cast<std::uint8_t>(announcement_.delimiter) || number_ == 0) return fail(byte);
  announcement_.port = static_cast<std::uint16_t>(number_);
  return found(byte);
}

Scanner::Step Scanner::eprt(std::uint8_t byte) {
  const bool delimiter = byte == static_cast<std::uint8_t>(announcement_.delimiter);
  if (state_ == State::EprtFamily) {
    if (count_ == 0 && (byte == '1' || byte == '2')) {
      announcement_.is_ipv6 = byte == '2';
      count_ = 1;
      return Step::Hold;
    }
    return count_ == 1 && delimiter ? hold(State::EprtAddress) : fail(byte);
  }
  if (delimiter) {
    if (!parse_address()) return fail(byte);
    number_ = 0;
    digits_ = 0;
    return hold(State::EprtPort);
  }
  if (length_ == text_.size() || ends_line(byte)) return fail(byte);
  text_[length_++] = static_cast<char>(byte);
  return Step::Hold;
}

bool Scanner::parse_address() {
  const std::string_view text(text_.data(), length_);
  if (announcement_.is_ipv6) {
    const auto address = net::parse_ipv6(text);
    if (address) announcement_.address = *address;
    return address.has_value();
  }
  const auto address = net::parse_ipv4(text);
  if (address) announcement_.address = net::v4_mapped(*address);
  return address.has_value();
}

/// The rest of the line means nothing more.
Scanner::Step Scanner::found(std::uint8_t byte) {
  state_ = State::Skip;
  if (byte == '\n') begin_line();
  return Step::Found;
}

/// What was held is no announcement: a reply may still hold one further on.
Scanner::Step Scanner::fail(std::uint8_t byte) {
  if (byte == '\n')
    begin_line();
  else if (speaker_ == Speaker::Client)
    state_ = State::Skip;
  else if (is_digit(byte) && announcement_.form == Announcement::Form::Pasv)
    state_ = State::SkipDigits;
  else
    state_ = State::Search;
  return Step::Release;
}

}  // namespace sluice::conntrack::ftp
