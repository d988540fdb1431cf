// Tables and figures for people: columns aligned, large numbers rounded. Programs get JSON instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::cli {

enum class Align : std::uint8_t { Left, Right };

/// A heading and rows of cells; every column as wide as its widest cell, the last one not padded.
class Table {
 public:
  struct Column {
    std::string heading;
    Align align = Align::Left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row);
  std::size_t rows() const { return rows_.size(); }
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "9999", "10.0k", "1.23M", "4.56G": exact below ten thousand, three digits above.
std::string human_count(std::uint64_t n);
/// The same with binary multiples: "9999", "9.77Ki", "1.50Mi".
std::string human_bytes(std::uint64_t n);
/// "0.250s", "12s", "3m20s", "2h05m", "4d03h".
std::string human_seconds(double seconds);

}  // namespace sluice::cli
