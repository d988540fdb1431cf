#include "port/pcap/capture_file.h"

#include <pcap/pcap.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::port {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
/// What 63 bits of nanoseconds hold, with room: in the year 2255.
constexpr std::int64_t kLastSecond = 9'000'000'000;

struct FileCloser {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
struct PcapCloser {
  void operator()(pcap_t* p) const { pcap_close(p); }
};
struct DumpCloser {
  void operator()(pcap_dumper_t* d) const { pcap_dump_close(d); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;
using Pcap = std::unique_ptr<pcap_t, PcapCloser>;
using Dump = std::unique_ptr<pcap_dumper_t, DumpCloser>;

/// Whether the magic number says that time stamps have nanoseconds: the nanosecond variant of pcap in either
/// byte order, or pcapng, whose resolution may be any.
bool has_nanoseconds(const std::array<std::uint8_t, 4>& magic) {
  constexpr std::array<std::array<std::uint8_t, 4>, 3> kWith = {{
      {0xa1, 0xb2, 0x3c, 0x4d},
      {0x4d, 0x3c, 0xb2, 0xa1},
      {0x0a, 0x0d, 0x0d, 0x0a},
  }};
  for (const auto& with : kWith)
    if (magic == with) return true;
  return false;
}

}  // namespace

struct CaptureReader::Impl {
  std::string name;
  std::FILE* file = nullptr;  ///< owned by pcap once that is open
  Pcap pcap;
  std::uint64_t total = 0, frames = 0;
  bool nanoseconds = false;

  Error wrong(const std::string& what) const {
    return {name + ", frame " + std::to_string(frames + 1) + ", byte " + std::to_string(position()) + ": " +
            what};
  }
  std::uint64_t position() const {
    const long at = std::ftell(file);
    return at > 0 ? static_cast<std::uint64_t>(at) : 0;
  }
};

CaptureReader::CaptureReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CaptureReader::CaptureReader(CaptureReader&&) noexcept = default;
CaptureReader& CaptureReader::operator=(CaptureReader&&) noexcept = default;
CaptureReader::~CaptureReader() = default;

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  File file(std::fopen(path.c_str(), "rbe"));
  if (!file) return fail("cannot read capture " + path + ": " + std::strerror(errno));
  struct stat info{};
  if (fstat(fileno(file.get()), &info) == 0 && S_ISDIR(info.st_mode))
    return fail("cannot read capture " + path + ": it is a folder");
  if (S_ISREG(info.st_mode)) impl->total = static_cast<std::uint64_t>(info.st_size);
  impl->file = file.release();
  return open_stream(std::move(impl));
}

Result<CaptureReader> CaptureReader::open_memory(Bytes bytes, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->name = name;
  if (bytes.empty()) return fail(name + ": not a capture file (empty)");
  File file(fmemopen(const_cast<std::uint8_t*>(bytes.data()), bytes.size(), "rb"));
  if (!file) return fail("cannot read capture " + name + ": " + std::strerror(errno));
  impl->total = bytes.size();
  impl->file = file.release();
  return open_stream(std::move(impl));
}

Result<CaptureReader> CaptureReader::open_stream(std::unique_ptr<Impl> impl) {
  File file(impl->file);
  std::array<std::uint8_t, 4> magic{};
  if (impl->total >= magic.size()) {  // a pipe can't be looked at twice
    impl->nanoseconds =
        std::fread(magic.data(), 1, magic.size(), file.get()) == magic.size() && has_nanoseconds(magic);
    if (std::fseek(file.get(), 0, SEEK_SET) != 0)
      return fail(impl->name + ": cannot be read from its beginning");
  }
  char error[PCAP_ERRBUF_SIZE] = {};
  impl->pcap.reset(pcap_fopen_offline_with_tstamp_precision(file.get(), PCAP_TSTAMP_PRECISION_NANO, error));
  if (!impl->pcap) return fail(impl->name + ": not a capture file (" + error + ")");
  (void)file.release();  // pcap closes it
  if (const int link = pcap_datalink(impl->pcap.get()); link != DLT_EN10MB) {
    const char* const link_name = pcap_datalink_val_to_name(link);
    return fail(impl->name + ": expected a capture of Ethernet frames, found link type " +
                (link_name != nullptr ? link_name : std::to_string(link)));
  }
  return CaptureReader(std::move(impl));
}

Result<std::optional<CaptureReader::Frame>> CaptureReader::next() {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  switch (pcap_next_ex(impl_->pcap.get(), &header, &bytes)) {
    case 1:
      break;
    case PCAP_ERROR_BREAK:
      return std::optional<Frame>();
    default:
      return tl::unexpected(impl_->wrong(pcap_geterr(impl_->pcap.get())));
  }
  // With nanosecond precision libpcap stores them in tv_usec. pcapng can say times that no one means.
  if (header->ts.tv_sec < 0 || header->ts.tv_sec > kLastSecond || header->ts.tv_usec < 0)
    return tl::unexpected(impl_->wrong("a time stamp beyond the year 2255"));
  ++impl_->frames;
  return std::optional(Frame{std::int64_t{header->ts.tv_sec} * kNsPerSecond + header->ts.tv_usec,
                             Bytes(bytes, header->caplen), header->len});
}

bool CaptureReader::nanoseconds() const {
  return impl_->nanoseconds;
}
std::uint64_t CaptureReader::bytes_read() const {
  return impl_->position();
}
std::uint64_t CaptureReader::bytes_total() const {
  return impl_->total;
}
std::uint64_t CaptureReader::frames_read() const {
  return impl_->frames;
}

struct CaptureWriter::Impl {
  std::string path;
  Pcap pcap;
  Dump dump;
  bool nanoseconds = false;
};

CaptureWriter::CaptureWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CaptureWriter::CaptureWriter(CaptureWriter&&) noexcept = default;
CaptureWriter& CaptureWriter::operator=(CaptureWriter&&) noexcept = default;
CaptureWriter::~CaptureWriter() = default;

Result<CaptureWriter> CaptureWriter::create(const std::string& path, bool nanoseconds) {
  constexpr int kSnapLength = 262144;  // what tcpdump writes: readers take it as "whole packets"
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->nanoseconds = nanoseconds;
  impl->pcap.reset(pcap_open_dead_with_tstamp_precision(
      DLT_EN10MB, kSnapLength, nanoseconds ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO));
  File file(std::fopen(path.c_str(), "wbe"));
  if (!file) return fail("cannot write capture " + path + ": " + std::strerror(errno));
  if (impl->pcap) impl->dump.reset(pcap_dump_fopen(impl->pcap.get(), file.get()));
  if (!impl->dump) return fail("cannot write capture " + path + ": " + std::strerror(errno));
  (void)file.release();  // the dump closes it
  return CaptureWriter(std::move(impl));
}

Status CaptureWriter::write(std::int64_t time_ns, Bytes frame) {
  pcap_pkthdr header{};
  header.ts.tv_sec = time_ns / kNsPerSecond;
  header.ts.tv_usec = impl_->nanoseconds ? time_ns % kNsPerSecond : time_ns % kNsPerSecond / 1000;
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  pcap_dump(reinterpret_cast<u_char*>(impl_->dump.get()), &header, frame.data());
  if (std::ferror(pcap_dump_file(impl_->dump.get())) == 0) return {};
  return fail("cannot write capture " + impl_->path + ": " + std::strerror(errno));
}

Status CaptureWriter::flush() {
  if (pcap_dump_flush(impl_->dump.get()) == 0) return {};
  return fail("cannot write capture " + impl_->path + ": " + std::strerror(errno));
}

}  // namespace sluice::port
