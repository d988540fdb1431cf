// The special members of Body.
#include <memory>
#include <utility>

#include "openflow/all_messages.h"

namespace sluice::openflow {

Body::Body(const Body& other) = default;
Body::Body(Body&& other) noexcept = default;
Body::~Body() = default;

Body& Body::operator=(const Body& other) {
  return *this = Body(other);
}

Body& Body::operator=(Body&& other) noexcept {
  if (this == &other) return *this;
  std::destroy_at(this);
  return *std::construct_at(this, std::move(other));
}

}  // namespace sluice::openflow
