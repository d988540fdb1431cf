// A set of address prefixes with counts, that says for an address which prefix lengths of the set cover it
// and how many leading bits of the address decide that: what keeps generated masks short (a packet
// to 10.1.2.3 need not be told apart from 10.1.2.4 if no rule does).
//
// Path-compressed binary trie. A node holds its whole prefix, so that inserting and removing are single
// pointer stores: readers walk it under RCU while the one writer changes it. Replaced nodes are retired.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>

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
    const Node* node = root_.load(std::memory_order_acquire);
    unsigned matched = 0;  // bits of the value known to lead to `node`
    while (node) {
      const unsigned common = common_bits(node->prefix, value);
      if (common < node->length) {
        answer.bits = common + 1;
        return answer;
      }
      matched = node->length;
      if (node->count.load(std::memory_order_relaxed) != 0)
        answer.lengths[matched / 64] |= 1ULL << (matched % 64);
      if (matched == Width) break;
      const Node* next = node->child[bit(value, matched)].load(std::memory_order_acquire);
      if (!next) {
        // The bit decided only if the other way leads somewhere.
        const bool leaf = !node->child[1 - bit(value, matched)].load(std::memory_order_acquire);
        answer.bits = leaf ? matched : matched + 1;
        return answer;
      }
      node = next;
    }
    answer.bits = matched;
    return answer;
  }

  /// Writer only. `length` >= 1.
  void insert(V prefix, unsigned length) {
    std::atomic<Node*>* edge = &root_;
    for (;;) {
      Node* node = edge->load(std::memory_order_relaxed);
      if (!node) {
        edge->store(new Node(prefix, length, 1), std::memory_order_release);
        return;
      }
      unsigned common = common_bits(node->prefix, prefix);
      if (common > node->length) common = node->length;
      if (common > length) common = length;
      if (common == node->length) {
        if (length == node->length) {
          node->count.fetch_add(1, std::memory_order_relaxed);
          return;
        }
        edge = &node->child[bit(prefix, node->length)];
        continue;
      }
      // `node` hangs below a new one: the prefix itself, or the fork of both.
      Node* above = new Node(prefix, common, common == length ? 1 : 0);
      above->child[bit(node->prefix, common)].store(node, std::memory_order_relaxed);
      if (common < length)
        above->child[bit(prefix, common)].store(new Node(prefix, length, 1), std::memory_order_relaxed);
      edge->store(above, std::memory_order_release);
      return;
    }
  }

  /// Writer only; the prefix must be there.
  void remove(V prefix, unsigned length) {
    std::atomic<Node*>* edge = &root_;
    std::atomic<Node*>* parent_edge = nullptr;
    for (;;) {
      Node* node = edge->load(std::memory_order_relaxed);
      SLUICE_CHECK(node && node->length <= length);
      if (node->length == length) {
        node->count.fetch_sub(1, std::memory_order_relaxed);
        collapse(edge);
        if (parent_edge) collapse(parent_edge);
        return;
      }
      parent_edge = edge;
      edge = &node->child[bit(prefix, node->length)];
    }
  }

  bool empty() const { return root_.load(std::memory_order_relaxed) == nullptr; }

 private:
  struct Node {
    Node(V p, unsigned l, std::uint32_t n)
        : prefix(truncate(p, l)), count(n), length(static_cast<std::uint8_t>(l)) {}
    const V prefix;
    std::atomic<Node*> child[2] = {nullptr, nullptr};
    std::atomic<std::uint32_t> count;
    const std::uint8_t length;
  };

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

  /// Takes a node out that holds no prefix and forks nothing.
  void collapse(std::atomic<Node*>* edge) {
    Node* node = edge->load(std::memory_order_relaxed);
    if (!node || node->count.load(std::memory_order_relaxed) != 0) return;
    Node* left = node->child[0].load(std::memory_order_relaxed);
    Node* right = node->child[1].load(std::memory_order_relaxed);
    if (left && right) return;
    edge->store(left ? left : right, std::memory_order_release);
    rcu::retire([node] { delete node; });
  }
  static void destroy(Node* node) {
    if (!node) return;
    destroy(node->child[0].load(std::memory_order_relaxed));
    destroy(node->child[1].load(std::memory_order_relaxed));
    delete node;
  }

  std::atomic<Node*> root_{nullptr};
};

}  // namespace sluice::pipeline
