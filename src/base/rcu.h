// Read-copy-update through liburcu's quiescent-state flavour (McKenney; liburcu qsbr).
//
// A reading thread registers once (ThreadRegistration), holds pointers got from Published::get() only until
// its next quiescent(), and calls quiescent() once a batch; going offline() before it sleeps. The writer
// replaces what is published and hands the old object to retire(), which frees it after every registered
// thread was quiescent.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

namespace sluice::rcu {

/// Registers the calling thread as a reader for the lifetime of the object. One per thread.
class ThreadRegistration {
 public:
  ThreadRegistration();
  ~ThreadRegistration();
  ThreadRegistration(const ThreadRegistration&) = delete;
  ThreadRegistration& operator=(const ThreadRegistration&) = delete;
};

/// The calling reader holds no published pointer now.
void quiescent();
/// The calling reader will not read until online(): writers do not wait for it while it sleeps.
void offline();
void online();

/// Waits until every registered reader was quiescent or offline once. The caller may be a registered reader.
void synchronize();

/// While one exists, retire() on this thread never waits for a grace period: for a reader in the middle of
/// its reading, which holds published pointers. What is retired goes with a later retire() or reclaim() of a
/// thread that may wait.
class WithoutWaiting {
 public:
  WithoutWaiting();
  ~WithoutWaiting();
  WithoutWaiting(const WithoutWaiting&) = delete;
  WithoutWaiting& operator=(const WithoutWaiting&) = delete;

 private:
  bool before_;
};

/// Runs `destroy` after a grace period, on the thread that later calls reclaim() or retire(). Writer side
/// only; any thread, guarded by a mutex.
void retire(std::function<void()> destroy);
template <typename T>
void retire(std::unique_ptr<const T> object) {
  if (object) retire([p = object.release()] { delete p; });
}
/// Runs all that was retired, after a grace period. For shutdown and for tests of leaks.
void reclaim();

/// A pointer to an immutable object, owned here, read by any registered thread, replaced by one writer at a
/// time.
template <typename T>
class Published {
 public:
  explicit Published(std::unique_ptr<const T> first = nullptr) : current_(first.release()) {}
  ~Published() { delete current_.load(std::memory_order_relaxed); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  const T* get() const { return current_.load(std::memory_order_acquire); }
  void publish(std::unique_ptr<const T> next) {
    retire(std::unique_ptr<const T>(current_.exchange(next.release(), std::memory_order_acq_rel)));
  }

 private:
  std::atomic<const T*> current_;
};

}  // namespace sluice::rcu
