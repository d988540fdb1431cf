// FTP control connections: finds where a data connection is announced to go, and writes such announcements.
//
//   client:  PORT 10,0,0,1,156,64          EPRT |1|10.0.0.1|40000|    EPRT |2|fd00::1|40000|
//   server:  227 Entering Passive Mode (10,0,0,2,156,65)    229 Entering Extended Passive Mode (|||40001|)
//
// A Scanner reads one direction of the stream byte by byte, so that it does not matter how the stream was cut
// into segments, and keeps nothing but a few numbers and at most one address as text. It says of each byte
// whether it may belong to an announcement, so that its user can hold such bytes back until it is known what
// to put in their place.
//
// A server's lines count only where a client would take them for the reply: text inside a multi-line reply
// (RFC 959 section 4.2) announces nothing, lines of a multi-line 227 or 229 reply that begin with its code
// do. The six numbers of a 227 reply may stand anywhere in the line (RFC 1123 section 4.1.2.6).
//
// Sources: RFC 959 sections 4.1.2, 4.2, 5.3; RFC 1123 section 4.1.2; RFC 2428 (EPRT, EPSV).
#pragma once

#include <array>
#include <cstdint>

#include "net/endian.h"

namespace sluice::conntrack::ftp {

enum class Speaker : std::uint8_t { Client, Server };

/// Where the speaker said that the data connection is to go.
struct Announcement {
  enum class Form : std::uint8_t { Port, Eprt, Pasv, Epsv };
  Form form = Form::Port;
  bool is_ipv6 = false;
  char delimiter = '|';  ///< of EPRT and EPSV
  std::uint16_t port = 0;
  be128 address;  ///< IPv4 v4-mapped; none (zero) in an EPSV reply: the speaker's own

  bool operator==(const Announcement&) const = default;
};

/// No announcement is longer, from its first held byte to the one that ends it.
inline constexpr unsigned kMaxHeld = 64;

struct Text {
  std::array<char, kMaxHeld> bytes;
  std::uint8_t size = 0;
};

/// What takes the place of the held bytes to announce this.
/// @param end  the last of the held bytes, which only ended the announcement
Text write(const Announcement& announcement, char end);

/// One direction of a control connection.
class Scanner {
 public:
  explicit Scanner(Speaker speaker) : speaker_(speaker) {}

  enum class Step : std::uint8_t {
    Pass,     ///< the byte belongs to no announcement
    Hold,     ///< it may belong to one, as those held before it
    Release,  ///< those held up to and including this byte are no announcement
    Found,    ///< those held up to and including this byte are one: found()
  };
  Step feed(std::uint8_t byte);
  const Announcement& found() const { return announcement_; }

  /// Bytes were missed: nothing counts until the next line begins.
  void skip_line() {
    state_ = State::Skip;
    multi_line_ = 0;
  }

 private:
  enum class State : std::uint8_t {
    Word,        // the first bytes of a line
    Space,       // before the argument of PORT or EPRT
    Skip,        // the rest of the line
    Search,      // 227: for a digit; 229: for a parenthesis
    SkipDigits,  // a number too large to be part of an address
    Six,         // PORT and 227: h1,h2,h3,h4,p1,p2
    EpsvOpen,    // the three delimiters behind the parenthesis
    EpsvPort,
    EprtFamily,
    EprtAddress,
    EprtPort,
  };

  Step word(std::uint8_t byte);
  void begin_reply(std::uint8_t separator);
  Step six(std::uint8_t byte);
  Step port(std::uint8_t byte);
  Step eprt(std::uint8_t byte);
  Step found(std::uint8_t byte);
  Step fail(std::uint8_t byte);
  void begin_line();
  Step hold(State state) {
    state_ = state;
    return Step::Hold;
  }
  bool add_digit(std::uint8_t byte, unsigned max_digits, std::uint32_t max);
  bool parse_address();

  Speaker speaker_;
  State state_ = State::Word;
  std::uint8_t count_ = 0;        // bytes of the word, numbers or delimiters so far
  std::uint8_t digits_ = 0;       // of the number that is being read
  std::uint8_t length_ = 0;       // of text_
  std::uint16_t multi_line_ = 0;  // the code of the multi-line reply that is being read, 0 = none
  std::uint32_t word_ = 0;
  std::uint32_t number_ = 0;
  std::array<std::uint8_t, 6> six_{};
  std::array<char, 46> text_{};  // the address of EPRT
  Announcement announcement_;
};

}  // namespace sluice::conntrack::ftp
