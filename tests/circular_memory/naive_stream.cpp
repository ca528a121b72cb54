#include "tests/circular_memory/naive_stream.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

namespace {

using Row = NaiveStream::Row;

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
  return sum;
}

void add(double weight, const Row& row, Row& sum) {
  sum.resize(row.size());
  for (std::size_t d = 0; d < row.size(); ++d) sum[d] += weight * row[d];
}

Row sigma(Row x) {
  for (double& element : x) element = element > 0 ? element + 1 : std::exp(element);
  return x;
}

bool has_room(const auto& entries, Index capacity) { return static_cast<Index>(entries.size()) < capacity; }

}  // namespace

void NaiveStream::append(Entry entry) {
  if (has_room(sinks_, o_.sinks)) {
    sinks_.push_back(std::move(entry));
    return;
  }
  window_.push_back(std::move(entry));
  if (static_cast<Index>(window_.size()) <= o_.window) return;
  const Entry oldest = window_.front();
  window_.erase(window_.begin());
  leave_window(oldest);
}

void NaiveStream::leave_window(const Entry& entry) {
  heavy_hitters_.push_back(entry);
  if (static_cast<Index>(heavy_hitters_.size()) <= o_.heavy_hitters) return;
  const auto evicted =
      std::min_element(heavy_hitters_.begin(), heavy_hitters_.end(), [](const Entry& a, const Entry& b) {
        return a.attention != b.attention ? a.attention < b.attention : a.tokens < b.tokens;
      });
  const Entry leaving = *evicted;
  heavy_hitters_.erase(evicted);
  leave_single_slots(leaving);
}

void NaiveStream::leave_single_slots(const Entry& entry) {
  if (o_.pooled_slots == 0) {
    leave_all_slots(entry);
    return;
  }
  waiting_.push_back(entry);
  if (has_room(waiting_, o_.kernel.size())) return;
  Entry all;
  for (std::size_t j = 0; j < waiting_.size(); ++j) {
    add(o_.kernel(static_cast<Index>(j)), waiting_[j].k, all.k);
    add(o_.kernel(static_cast<Index>(j)), waiting_[j].v, all.v);
    all.tokens.push_back(waiting_[j].tokens.front());
  }
  waiting_.clear();
  pooled_.push_back(all);
  if (static_cast<Index>(pooled_.size()) <= o_.pooled_slots) return;
  const Entry oldest = pooled_.front();
  pooled_.erase(pooled_.begin());
  leave_all_slots(oldest);
}

void NaiveStream::leave_all_slots(const Entry& entry) {
  if (!o_.linear) return;
  for (std::size_t n = 0; n < entry.tokens.size(); ++n) linear_.push_back(entry);
}

// out = sum_j sigma(q) . sigma(k_j) v_j / sum_j sigma(q) . sigma(k_j)
Row NaiveStream::linear_output(const Row& q) const {
  Row out;
  double sum = 0;
  for (const Entry& entry : linear_) sum += dot(sigma(q), sigma(entry.k));
  for (const Entry& entry : linear_) add(dot(sigma(q), sigma(entry.k)) / sum, entry.v, out);
  return out;
}

// out = sum_j n_j exp(scale q . k_j) v_j / sum_j n_j exp(scale q . k_j); appends the weights, one for each entry
Row NaiveStream::attend(const Row& q, std::vector<double>& weights) const {
  Row out;
  double sum = 0;
  const auto for_each_entry = [&](const auto& visit) {
    for (const Entries* entries : {&sinks_, &window_, &heavy_hitters_, &waiting_, &pooled_})
      for (const Entry& entry : *entries)
        visit(entry, static_cast<double>(entry.tokens.size()) * std::exp(scale_ * dot(q, entry.k)));
  };
  for_each_entry([&](const Entry&, double weight) { sum += weight; });
  for_each_entry([&](const Entry& entry, double weight) {
    weights.push_back(weight / sum);
    add(weight / sum, entry.v, out);
  });
  if (linear_.empty()) return out;
  Row mixed;
  add(1 - o_.gate, out, mixed);
  add(o_.gate, linear_output(q), mixed);
  return mixed;
}

std::vector<Row> NaiveStream::step(const std::vector<Row>& queries, const Row& k, const Row& v) {
  append({k, v, {seen_++}});
  std::vector<Row> outs;
  std::vector<std::vector<double>> weights(queries.size());
  for (std::size_t h = 0; h < queries.size(); ++h) outs.push_back(attend(queries[h], weights[h]));
  std::size_t n = 0;
  for (Entries* entries : {&sinks_, &window_, &heavy_hitters_, &waiting_, &pooled_})
    for (Entry& entry : *entries) {
      for (const std::vector<double>& of_query : weights) entry.attention += of_query[n];
      ++n;
    }
  return outs;
}

std::vector<Index> NaiveStream::tokens() const {
  std::vector<Index> all;
  for (const Entries* entries : {&sinks_, &window_, &heavy_hitters_, &waiting_, &pooled_})
    for (const Entry& entry : *entries) all.insert(all.end(), entry.tokens.begin(), entry.tokens.end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace ringattn
