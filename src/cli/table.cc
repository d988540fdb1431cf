#include "cli/table.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::cli {

namespace {

/// Three significant digits of n, divided by `base` as often as needed.
std::string rounded(std::uint64_t n, double base, const char* const (&units)[6]) {
  if (n < 10'000) return fmt::format("{}", n);
  auto value = static_cast<double>(n) / base;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= base;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, digits, units[unit]);
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& column : columns_) widths.push_back(column.heading.size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());

  std::string out;
  const auto line = [&](auto&& cell_at) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_at(i);
      const std::string padding(widths[i] - cell.size(), ' ');
      const bool last = i + 1 == columns_.size();
      if (columns_[i].align == Align::Right)
        out += padding + cell;
      else
        out += last ? cell : cell + padding;
      if (!last) out += "  ";
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    out += '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].heading; });
  for (const auto& row : rows_) line([&](std::size_t i) -> const std::string& { return row[i]; });
  return out;
}

std::string human_count(std::uint64_t n) {
  return rounded(n, 1000, {"k", "M", "G", "T", "P", "E"});
}
std::string human_bytes(std::uint64_t n) {
  return rounded(n, 1024, {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"});
}

std::string human_seconds(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 10) return fmt::format("{:.3f}s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace sluice::cli
