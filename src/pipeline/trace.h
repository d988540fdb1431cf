// The narration of a translation: a tree of lines, laid out as ofproto/trace prints it.
//
// Layout (observed): a line with something after it in its list, and every line about an action, is indented
// one step and what belongs to it two more; the last table of a list is not, so that chains of tables don't
// drift to the right.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sluice::pipeline {

class Trace {
 public:
  enum class Kind : std::uint8_t { Bridge, Table, Bucket, Action, Detail, Warning, Error, Thaw, Note };

  Trace() { open_.push_back(&root_); }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// Adds a line to the innermost open one.
  void line(Kind kind, std::string text) { add(kind, std::move(text)); }
  /// Adds a line and opens it: what follows belongs to it.
  void open(Kind kind, std::string text) { open_.push_back(&add(kind, std::move(text))->children); }
  void close() { open_.pop_back(); }
  std::string print() const;

 private:
  struct Node {
    Kind kind;
    std::string text;
    std::vector<std::unique_ptr<Node>> children;
  };
  using List = std::vector<std::unique_ptr<Node>>;
  Node* add(Kind kind, std::string text);
  static void print(const List& list, unsigned level, std::string& out);

  List root_;
  std::vector<List*> open_;
};

}  // namespace sluice::pipeline
