#pragma once

#include <vector>

#include "reference/circular_memory/memory_options.h"

namespace ringattn {

// An independent implementation of StreamingAttention: lists that grow and shrink, element by element, and a linear
// memory that is the list of its tokens. It shares only the options.
class NaiveStream {
 public:
  using Row = std::vector<double>;

  NaiveStream(const MemoryOptions& options, double scale) : o_(options), scale_(scale) {}

  // Appends a token and attends to the memory with each query
  std::vector<Row> step(const std::vector<Row>& queries, const Row& k, const Row& v);

  // The tokens of all slots, in ascending order
  std::vector<Index> tokens() const;

 private:
  struct Entry {
    Row k, v;
    std::vector<Index> tokens;
    double attention = 0;
  };
  using Entries = std::vector<Entry>;

  void append(Entry entry);
  void leave_window(const Entry& entry);
  void leave_single_slots(const Entry& entry);
  void leave_all_slots(const Entry& entry);
  Row attend(const Row& q, std::vector<double>& weights) const;
  Row linear_output(const Row& q) const;

  MemoryOptions o_;
  double scale_;
  Index seen_ = 0;
  Entries sinks_, window_, heavy_hitters_, waiting_, pooled_, linear_;
};

}  // namespace ringattn
