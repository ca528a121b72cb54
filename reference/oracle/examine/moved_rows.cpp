#include <cmath>
#include <numeric>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/score_fit.h"
#include "reference/oracle/examine/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;
using Order = std::vector<Index>;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// The rows in the order in which the devices hold them
Order device_order(const RowSharding& rows) {
  Order order;
  for (int device = 0; device < rows.devices(); ++device)
    order.insert(order.end(), rows.rows_of(device).begin(), rows.rows_of(device).end());
  return order;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (std::size_t n = 0; n < order.size(); ++n) result[at(order[n])] = static_cast<Index>(n);
  return result;
}

template <class Rows>
Rows permuted_rows(const Rows& source, const Order& order) {
  Rows result = source;
  for (std::size_t n = 0; n < order.size(); ++n) result.row(static_cast<Index>(n)) = source.row(order[n]);
  return result;
}

std::vector<bool> permuted_rows(const std::vector<bool>& source, const Order& order) {
  std::vector<bool> result;
  for (const Index i : order) result.push_back(source[at(i)]);
  return result;
}

// ---- All rows in the order of the devices --------------------------------------

// Do the weights of every head fit if row i holds the result of row order[i]?
bool rows_fit(const ExaminationState& state, const Order& order) {
  const HeadReadout& first = state.heads(0, 0);
  const Matrix<double> y =
      first.varied.found.unaryExpr([](double w) { return w > 0 ? std::log(w) : not_known; });
  const double moved = fit_scores(y, permuted_rows(first.scores, order), state.tolerance).share;
  if (!(moved > std::max(0.5, 1.2 * fit_scores(y, first.scores, state.tolerance).share))) return false;
  for (const HeadReadout& head : state.heads) {
    const Matrix<bool> read = head.even.found.unaryExpr([](double w) { return w > 0; });
    const auto equal = (read.array() == permuted_rows(head.visible, order).array()).count();
    if (static_cast<double>(equal) <= 0.99 * static_cast<double>(read.size())) return false;
  }
  return true;
}

void undo_order(ExaminationState& state, const Order& order) {
  const Order back = inverse(order);
  for (HeadReadout& head : state.heads) {
    for (HeadWeights* weights : {&head.even, &head.varied}) {
      weights->found = permuted_rows(weights->found, back);
      if (weights->lse.size() > 0) weights->lse = permuted_rows(weights->lse, back);
    }
    head.homes = permuted_rows(head.homes, back);
    for (std::vector<bool>* flags : {&head.open, &head.blind, &head.finite})
      *flags = permuted_rows(*flags, back);
    judge_pairs(state, head);
  }
}

bool find_device_order(ExaminationState& state) {
  if (state.attention.q.S != state.attention.k.S || state.attention.devices == 1) return false;
  const Order order = device_order(state.sharding.queries), back = inverse(order);
  Order twice;
  for (const Index i : order) twice.push_back(order[at(i)]);
  Order same(order.size());
  std::iota(same.begin(), same.end(), 0);
  for (const auto& [subject, moved] : {std::pair{"devices", order}, {"inverse", back}, {"twice", twice}}) {
    if (moved == same || !rows_fit(state, moved)) continue;
    Finding finding{.kind = rows_in_device_order, .subject = subject};
    for (const HeadReadout& head : state.heads) finding.where.push_back({head.b, head.h, head.all_rows()});
    state.findings.add(finding);
    undo_order(state, moved);
    return true;
  }
  return false;
}

// ---- Single rows ---------------------------------------------------------------

struct Source {
  Index b = 0, h = 0, row = 0;
};

bool agree(const Vector<double>& found, const Vector<double>& right, double tolerance) {
  return ((found - right).cwiseAbs().array() <= std::expm1(2 * tolerance) * right.array() + 1e-9).all();
}

// The row of any head whose right weights are nearest to the found ones, if they agree
std::optional<Source> source_of(const ExaminationState& state, const Vector<double>& found) {
  std::optional<Source> nearest;
  double least = std::numeric_limits<double>::infinity();
  for (const HeadReadout& head : state.heads) {
    Index row = 0;
    const double distance =
        (head.varied.right.rowwise() - found.transpose()).rowwise().squaredNorm().minCoeff(&row);
    if (distance < least) least = distance, nearest = Source{head.b, head.h, row};
  }
  if (!nearest) return nearest;
  const Vector<double> right = state.heads(nearest->b, nearest->h).varied.right.row(nearest->row);
  if ((right.array() > 0).count() <= 2 || !agree(found, right, state.tolerance)) return std::nullopt;
  return nearest;
}

// One finding for the moved rows of a head: all from one head, all from one distance, or a list
Finding finding_of(const HeadReadout& head, const std::vector<Index>& rows,
                   const std::vector<Source>& sources) {
  Finding finding{.kind = rows_exchanged};
  bool one_head = true, same_rows = true, one_shift = true;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    one_head &= sources[n].b == sources[0].b && sources[n].h == sources[0].h;
    same_rows &= sources[n].row == rows[n];
    one_shift &= sources[n].row - rows[n] == sources[0].row - rows[0];
  }
  if (one_head)
    finding.numbers = {{"batch", static_cast<double>(sources[0].b)},
                       {"head", static_cast<double>(sources[0].h)}};
  if (one_head && sources[0].b == head.b && sources[0].h == head.h) finding.numbers.clear();
  if (one_head && one_shift && !same_rows)
    finding.numbers["shift"] = static_cast<double>(sources[0].row - rows[0]);
  if (!one_head || (!same_rows && !one_shift))
    for (std::size_t n = 0; n < rows.size(); ++n)
      for (const Index each : {rows[n], sources[n].b, sources[n].h, sources[n].row})
        finding.indices["row_batch_head_row"].push_back(each);
  return finding;
}

}  // namespace

// Rows of out that hold the right result of another row
bool find_moved_rows(ExaminationState& state) {
  struct Moved {
    std::vector<Index> rows;
    std::vector<Source> sources;
  };
  PerHead<std::vector<Index>> wrong(state.heads.batches(), state.heads.heads());
  std::size_t wrong_rows = 0, moved_rows = 0, open_rows = 0;
  for (const HeadReadout& head : state.heads) {
    wrong(head.b, head.h) = rows_where(head, [&](Index i) {
      return head.open[at(i)] && (head.varied.right.row(i).array() > 0).any() &&
             !agree(head.varied.found.row(i), head.varied.right.row(i), state.tolerance);
    });
    wrong_rows += wrong(head.b, head.h).size();
    open_rows += rows_where(head, [&](Index i) { return head.open[at(i)]; }).size();
  }
  if (wrong_rows == 0) return true;
  if (5 * wrong_rows > open_rows && find_device_order(state)) return true;

  PerHead<Moved> moved(state.heads.batches(), state.heads.heads());
  for (const HeadReadout& head : state.heads)
    for (const Index i : wrong(head.b, head.h))
      if (const auto source = source_of(state, head.varied.found.row(i))) {
        moved(head.b, head.h).rows.push_back(i), moved(head.b, head.h).sources.push_back(*source);
        ++moved_rows;
      }
  if (moved_rows < 3 || 10 * moved_rows < wrong_rows) return true;
  for (HeadReadout& head : state.heads) {
    const auto& [rows, sources] = moved(head.b, head.h);
    if (rows.empty()) continue;
    state.findings.add(head.b, head.h, rows, finding_of(head, rows, sources));
    for (const Index i : rows) head.open[at(i)] = false;
    judge_pairs(state, head);
  }
  return true;
}

}  // namespace ringattn
