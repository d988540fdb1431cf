// Capture files of Ethernet frames: reading (pcap with microseconds or nanoseconds, pcapng) and writing
// (pcap). libpcap knows the formats. What is written depends on nothing but the arguments: two runs give the
// same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::port {

class CaptureReader {
 public:
  struct Frame {
    std::int64_t time_ns = 0;           ///< since 1970
    Bytes bytes;                        ///< valid until the next call
    std::uint32_t original_length = 0;  ///< more than bytes.size() if the capture cut the frame
  };

  static Result<CaptureReader> open(const std::string& path);
  /// Reads a capture that lies in memory, which must stay there; `name` stands for the path in messages.
  static Result<CaptureReader> open_memory(Bytes file, const std::string& name);
  CaptureReader(CaptureReader&&) noexcept;
  CaptureReader& operator=(CaptureReader&&) noexcept;
  ~CaptureReader();

  /// The next frame, nothing at the end, or what is wrong and where (frame number, byte offset).
  Result<std::optional<Frame>> next();

  bool nanoseconds() const;  ///< whether the file's time stamps have them
  std::uint64_t bytes_read() const;
  std::uint64_t bytes_total() const;  ///< 0 if unknown (a pipe)
  std::uint64_t frames_read() const;

 private:
  struct Impl;
  explicit CaptureReader(std::unique_ptr<Impl> impl);
  static Result<CaptureReader> open_stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class CaptureWriter {
 public:
  /// Creates or truncates the file. @param nanoseconds  the resolution of its time stamps.
  static Result<CaptureWriter> create(const std::string& path, bool nanoseconds);
  CaptureWriter(CaptureWriter&&) noexcept;
  CaptureWriter& operator=(CaptureWriter&&) noexcept;
  ~CaptureWriter();

  Status write(std::int64_t time_ns, Bytes frame);
  /// Writes out what is buffered; says whether all of it reached the file.
  Status flush();

 private:
  struct Impl;
  explicit CaptureWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::port
