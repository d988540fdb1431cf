// A set of address prefixes with counts, that says for an address which prefix lengths of the set cover it
// and how many leading bits of the address decide that: what keeps generated masks short (a packet
// to 10.1.2.3 need not be told apart from 10.1.2.4 if no rule does).
//
// Path-compressed binary trie. A node holds its whole prefix, so that inserting and removing are single
// pointer stores: readers walk it under RCU while the one writer changes it. Replaced nodes are retired. A
// whole value of at most 32 bits, which most flows match, needs no node: it is in the edge that leads to it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/check.h"
#include "base/rcu.h"

namespace sluice::pipeline {

/// V: an unsigned integer; prefixes are its leading Width bits, stored left-aligned in V.
template <typename V, unsigned Width>
class PrefixTrie {
 public:
  static_assert(sizeof(V) * 8 == Width);

  struct Answer {
    /// Bit p: a prefix of length p in the set covers the value.
    std::array<std::uint64_t, (Width + 64) / 64> lengths{};
    /// Leading bits of the value that the answer depends on.
    unsigned bits = 0;
    bool has_length(unsigned p) const { return (lengths[p / 64] >> (p % 64) & 1) != 0; }
  };

  PrefixTrie() = default;
  ~PrefixTrie() { destroy(root_.load(std::memory_order_relaxed)); }
  PrefixTrie(const PrefixTrie&) = delete;
  PrefixTrie& operator=(const PrefixTrie&) = delete;

  Answer lookup(V value) const {
    Answer answer;
    std::uint64_t here = root_.load(std::memory_order_acquire);
    unsigned matched = 0;  // bits of the value known to lead here
    while (here != 0) {
      const unsigned common = common_bits(prefix_of(here), value);
      if (common < length_of(here)) {
        answer.bits = common + 1;
        return answer;
      }
      matched = length_of(here);
      if (is_leaf(here) || node_of(here)->count.load(std::memory_order_relaxed) != 0)
        answer.lengths[matched / 64] |= 1ULL << (matched % 64);
      if (matched == Width) break;
      const Node* node = node_of(here);
      const std::uint64_t next = node->child[bit(value, matched)].load(std::memory_order_acquire);
      if (next == 0) {
        // The bit decided only if the other way leads somewhere.
        const bool last = node->child[1 - bit(value, matched)].load(std::memory_order_acquire) == 0;
        answer.bits = last ? matched : matched + 1;
        return answer;
      }
      here = next;
    }
    answer.bits = matched;
    return answer;
  }

  /// Writer only. `length` >= 1.
  void insert(V prefix, unsigned length) {
    Edge* edge = begin_insertion(prefix, length);
    for (;;) {
      const std::uint64_t here = edge->load(std::memory_order_relaxed);
      if (here == 0) return edge->store(make(prefix, length), std::memory_order_release);
      const unsigned here_length = length_of(here);
      const unsigned common = std::min({common_bits(prefix_of(here), prefix), here_length, length});
      if (common == here_length) {
        if (length == here_length) return count_one_more(*edge);
        edge = &node_of(here)->child[bit(prefix, here_length)];
        path_->push(node_of(here));
        continue;
      }
      // What is here hangs below a new node: the prefix itself, or the fork of both.
      Node* above = new Node(prefix, common, common == length ? 1 : 0);
      above->child[bit(prefix_of(here), common)].store(here, std::memory_order_relaxed);
      if (common < length)
        above->child[bit(prefix, common)].store(make(prefix, length), std::memory_order_relaxed);
      return edge->store(reinterpret_cast<std::uint64_t>(above), std::memory_order_release);
    }
  }

  /// Writer only; the prefix must be there.
  void remove(V prefix, unsigned length) {
    if (path_) path_->depth = 0;
    Edge* edge = &root_;
    Edge* parent_edge = nullptr;
    for (;;) {
      const std::uint64_t here = edge->load(std::memory_order_relaxed);
      SLUICE_CHECK(here != 0 && length_of(here) <= length);
      if (length_of(here) == length) {
        if (is_leaf(here))
          edge->store(leaf_count(here) == 1 ? 0 : here - kOneInLeaf, std::memory_order_release);
        else
          node_of(here)->count.fetch_sub(1, std::memory_order_relaxed);
        collapse(edge);
        if (parent_edge) collapse(parent_edge);
        return;
      }
      parent_edge = edge;
      edge = &node_of(here)->child[bit(prefix, length_of(here))];
    }
  }

  bool empty() const { return root_.load(std::memory_order_relaxed) == 0; }

 private:
  /// 0: nothing; odd: a whole value and how often it is there (a leaf); else a Node's address.
  using Edge = std::atomic<std::uint64_t>;
  static constexpr bool kHasLeaves = Width <= 32;
  static constexpr std::uint64_t kOneInLeaf = 2;

  struct Node {
    Node(V p, unsigned l, std::uint32_t n)
        : prefix(truncate(p, l)), count(n), length(static_cast<std::uint8_t>(l)) {}
    const V prefix;
    Edge child[2] = {0, 0};
    std::atomic<std::uint32_t> count;
    const std::uint8_t length;
  };

  /// The nodes above the prefix that was inserted last: flows often come in the order of their addresses, and
  /// the next has most of them above it, too.
  struct Path {
    std::array<Node*, Width> nodes;
    unsigned depth = 0;
    V last = 0;
    void push(Node* node) { nodes[depth++] = node; }
  };

  /// Where the way down to a prefix begins: below the last node of the path that is above it.
  Edge* begin_insertion(V prefix, unsigned length) {
    if (!path_) {
      path_ = std::make_unique<Path>();
    } else {
      const unsigned above = std::min(common_bits(path_->last, prefix) + 1, length);
      while (path_->depth > 0 && path_->nodes[path_->depth - 1]->length >= above) --path_->depth;
    }
    path_->last = prefix;
    if (path_->depth == 0) return &root_;
    Node& node = *path_->nodes[path_->depth - 1];
    return &node.child[bit(prefix, node.length)];
  }

  static V truncate(V value, unsigned length) {
    return length == 0 ? V{0} : static_cast<V>(value & static_cast<V>(~V{0} << (Width - length)));
  }
  static unsigned bit(V value, unsigned position) {
    return static_cast<unsigned>(value >> (Width - 1 - position)) & 1;
  }
  static unsigned common_bits(V a, V b) {
    const V difference = a ^ b;
    if (difference == 0) return Width;
    if constexpr (Width <= 32) {
      return static_cast<unsigned>(__builtin_clz(static_cast<std::uint32_t>(difference))) - (32 - Width);
    } else {
      const auto high = static_cast<std::uint64_t>(difference >> 64);
      if (high != 0) return static_cast<unsigned>(__builtin_clzll(high));
      return 64 + static_cast<unsigned>(__builtin_clzll(static_cast<std::uint64_t>(difference)));
    }
  }

  static bool is_leaf(std::uint64_t edge) { return (edge & 1) != 0; }
  static Node* node_of(std::uint64_t edge) { return reinterpret_cast<Node*>(edge); }
  static std::uint32_t leaf_count(std::uint64_t edge) { return static_cast<std::uint32_t>(edge) >> 1; }
  static V prefix_of(std::uint64_t edge) {
    return is_leaf(edge) ? static_cast<V>(edge >> 32) : node_of(edge)->prefix;
  }
  static unsigned length_of(std::uint64_t edge) { return is_leaf(edge) ? Width : node_of(edge)->length; }
  static std::uint64_t make(V prefix, unsigned length) {
    if constexpr (kHasLeaves)
      if (length == Width) return std::uint64_t{prefix} << 32 | kOneInLeaf | 1;
    return reinterpret_cast<std::uint64_t>(new Node(prefix, length, 1));
  }
  static void count_one_more(Edge& edge) {
    const std::uint64_t here = edge.load(std::memory_order_relaxed);
    if (is_leaf(here))
      edge.store(here + kOneInLeaf, std::memory_order_release);
    else
      node_of(here)->count.fetch_add(1, std::memory_order_relaxed);
  }

  /// Takes a node out that holds no prefix and forks nothing.
  void collapse(Edge* edge) {
    const std::uint64_t here = edge->load(std::memory_order_relaxed);
    if (here == 0 || is_leaf(here)) return;
    Node* node = node_of(here);
    if (node->count.load(std::memory_order_relaxed) != 0) return;
    const std::uint64_t left = node->child[0].load(std::memory_order_relaxed);
    const std::uint64_t right = node->child[1].load(std::memory_order_relaxed);
    if (left != 0 && right != 0) return;
    edge->store(left != 0 ? left : right, std::memory_order_release);
    rcu::retire([node] { delete node; });
  }
  static void destroy(std::uint64_t edge) {
    if (edge == 0 || is_leaf(edge)) return;
    destroy(node_of(edge)->child[0].load(std::memory_order_relaxed));
    destroy(node_of(edge)->child[1].load(std::memory_order_relaxed));
    delete node_of(edge);
  }

  Edge root_{0};
  std::unique_ptr<Path> path_;  ///< writer
};

}  // namespace sluice::pipeline
