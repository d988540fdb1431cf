// A counted reference for what an operation in flight and its owner both need: the operating system may
// answer after the owner has gone. The owner stays the only one that decides; the counted part is told that
// the owner left. Main thread only.
#pragma once

#include <utility>

namespace sluice::io {

/// Base of a type that Held counts.
class Holdable {
 protected:
  Holdable() = default;
  ~Holdable() = default;
  Holdable(const Holdable&) = delete;
  Holdable& operator=(const Holdable&) = delete;

 private:
  template <typename T>
  friend class Held;
  unsigned holders_ = 0;
};

template <typename T>
class Held {
 public:
  Held() = default;
  explicit Held(T* object) : object_(object) {
    if (object_) ++object_->holders_;
  }
  Held(const Held& other) : Held(other.object_) {}
  Held(Held&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Held& operator=(Held other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Held() {
    if (object_ && --object_->holders_ == 0) delete object_;
  }

  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace sluice::io
