// What all header views share: a view is a pointer to bytes that were found long enough, with typed
// accessors. It owns nothing and copies nothing. Views over const bytes read; views over mutable bytes also
// write (set_*), and never mend a checksum: wire/rewrite.h does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "net/address.h"
#include "net/endian.h"

namespace sluice::wire {

template <typename Byte>
class View {
 public:
  static constexpr bool kMutable = !std::is_const_v<Byte>;
  constexpr explicit View(Byte* at) : at_(at) {}
  Byte* at() const { return at_; }

 protected:
  template <typename T>
  T get(std::size_t offset) const {
    T value;
    std::memcpy(&value, at_ + offset, sizeof(T));
    return value;
  }
  template <typename T>
  void put(std::size_t offset, const T& value) const
    requires(kMutable)
  {
    std::memcpy(at_ + offset, &value, sizeof(T));
  }
  std::uint8_t byte(std::size_t offset) const { return at_[offset]; }

 private:
  Byte* at_;
};

/// The header at `offset`, if its fixed part (Header::kBytes) fits.
template <template <typename> class Header, typename Byte>
std::optional<Header<Byte>> view_at(std::span<Byte> bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < Header<Byte>::kBytes) return std::nullopt;
  return Header<Byte>(bytes.data() + offset);
}

}  // namespace sluice::wire
