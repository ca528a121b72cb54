#include "reference/oracle/measured/finders/contributions.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reference/definition/error/chunked.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/measured/finders/factor.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr Index affordable_pairs = Index{1} << 25;  // of row and key, over all heads
constexpr double noise = 0.5;                       // rms error of a right row in tolerances, and more
constexpr double equations_each = 3;                // equations for each factor

// A part of a gradient: the sum over some pairs of query and key
struct Contribution {
  Index head, device;     // dk and dv: of the queries; dq: of the keys
  Matrix<double> values;  // (all rows of the tensor, D)
};

// The gradients of one query head, from the queries _rows_ and the keys _keys_
Gradients<double> gradients_of(const Problem<double>& problem, const Cotangents<double>& cotangents,
                               const HeadPlace& head, const std::vector<Index>& rows,
                               const std::vector<Index>& keys) {
  const HeadOperands operands = right_operands(problem, head.b, head.h);
  Tensor<double> Q;
  Problem<double> one = one_head(problem, head.b, operands, rows, Q);
  const AttentionOutput<double> forward = attention(one);
  const Tensor<double> K = select_rows(one.K, keys), V = select_rows(one.V, keys);
  one.K = K, one.V = V, one.kv_positions = one.kv_positions.select(keys);
  const Tensor<double> dout = select_rows(head_view(cotangents.dout, head), rows);
  Tensor<double> dlse;
  Cotangents<double> of_rows{dout, {}};
  if (cotangents.dlse.data) {
    dlse = select_rows(head_view(cotangents.dlse, head), rows, Axes::bhsd);
    of_rows.dlse = dlse;
  }
  return attention_vjp(one, forward, of_rows);
}

// The parts of a head of dq by K/V block
std::vector<Contribution> parts_of_dq(const Problem<double>& problem, const Cotangents<double>& cotangents,
                                      const Sharding& sharding, const HeadPlace& head) {
  std::vector<Contribution> parts;
  for (int device = 0; device < sharding.devices(); ++device) {
    const Gradients<double> of_block =
        gradients_of(problem, cotangents, head, all_rows(problem.Q.shape.S), sharding.keys.rows_of(device));
    parts.push_back({head.h, device, of_block.dq.head(0, 0)});
  }
  return parts;
}

// The parts of a head of dk or dv by query head and device of the queries
std::vector<Contribution> parts_of_keys(const Problem<double>& problem, const Cotangents<double>& cotangents,
                                        const Sharding& sharding, const HeadPlace& head, bool of_dk) {
  std::vector<Contribution> parts;
  const Index group = problem.query_heads_per_kv_head();
  for (Index h = head.h * group; h < (head.h + 1) * group; ++h)
    for (int device = 0; device < sharding.devices(); ++device) {
      const Gradients<double> some = gradients_of(
          problem, cotangents, {head.b, h}, sharding.queries.rows_of(device), all_rows(problem.K.shape.S));
      parts.push_back({h, device, (of_dk ? some.dk : some.dv).head(0, 0)});
    }
  return parts;
}

// The factors of the parts in some rows; none if the rows do not determine them, or are no such sums
std::optional<Vector<double>> fit_factors(const RecordedTensor& t, const WrongPart& part,
                                          const std::vector<std::size_t>& rows,
                                          const std::vector<Contribution>& parts) {
  const auto count = static_cast<Index>(parts.size()), width = static_cast<Index>(part.channels.size());
  Matrix<double> A(static_cast<Index>(rows.size()) * width, count);
  Vector<double> y(A.rows());
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const ElementIndex& row = part.rows[rows[n]];
    const double tolerance = t.tolerance.head(row.b, row.h).row(row.s).maxCoeff();
    for (Index c = 0; c < width; ++c) {
      const Index d = part.channels[static_cast<std::size_t>(c)], at = static_cast<Index>(n) * width + c;
      y(at) = t.found(row.b, row.s, row.h, d) / tolerance;
      for (Index k = 0; k < count; ++k)
        A(at, k) = parts[static_cast<std::size_t>(k)].values(t.global_row(row), d) / tolerance;
    }
  }
  if (!y.allFinite() || !A.allFinite() ||
      static_cast<double>(A.rows()) < equations_each * static_cast<double>(count))
    return std::nullopt;

  // Parts without terms in these rows have the factor NaN
  Vector<double> f = Vector<double>::Constant(count, std::numeric_limits<double>::quiet_NaN());
  std::vector<Index> present;
  for (Index k = 0; k < count; ++k)
    if (A.col(k).norm() > 0) present.push_back(k);
  Matrix<double> B(A.rows(), static_cast<Index>(present.size()));
  for (Index k = 0; k < B.cols(); ++k) B.col(k) = A.col(present[static_cast<std::size_t>(k)]);
  if (B.cols() < 2) return std::nullopt;
  const Eigen::LDLT<Matrix<double>> normal(B.transpose() * B);
  const Vector<double> solution = normal.solve(B.transpose() * y);
  if (!solution.allFinite() || (y - B * solution).norm() > noise * std::sqrt(static_cast<double>(y.size())))
    return std::nullopt;
  const Matrix<double> covariance = normal.solve(Matrix<double>::Identity(B.cols(), B.cols()));
  for (Index k = 0; k < B.cols(); ++k) {
    if (!(noise * std::sqrt(covariance(k, k)) <= largest_uncertainty)) return std::nullopt;
    f(present[static_cast<std::size_t>(k)]) = rounded_factor(solution(k), 0.05);
    if (!is_usual_factor(f(present[static_cast<std::size_t>(k)]))) return std::nullopt;
  }
  return f;
}

// The heads and devices of parts with the same factor
struct Parts {
  std::set<Index> heads, devices;
  std::size_t count = 0;
};

// "query head 1", "the queries of device 2", "query heads 0 1 on the queries of ..."; empty if they are no cross of
// heads and devices
std::string parts_text(const Parts& some, const Parts& all, Index own, Index devices, bool of_queries,
                       DeviceNaming naming) {
  if (some.count != some.heads.size() * some.devices.size()) return "";
  const std::vector<Index> of(some.devices.begin(), some.devices.end()),
      met(all.devices.begin(), all.devices.end()), heads(some.heads.begin(), some.heads.end());
  std::string of_devices =
      of_queries ? blocks_text(of, own, met, devices, naming) : queries_text(of, own, met, devices, naming);
  if (some.heads.size() == all.heads.size()) return of_devices;
  const std::string of_heads = numbered_text("query head", heads);
  return some.devices.size() == all.devices.size() ? of_heads : of_heads + " in " + of_devices;
}

// "lost the part of query head 1; they count 2 x the part of the queries of device 2". Empty if there is no short text
std::string predicate_of(const std::vector<Contribution>& parts, const Vector<double>& f, Index own,
                         Index devices, bool of_queries, DeviceNaming naming) {
  std::map<double, Parts> by_factor;
  Parts all;
  for (Index k = 0; k < f.size(); ++k) {
    if (std::isnan(f(k))) continue;
    const Contribution& part = parts[static_cast<std::size_t>(k)];
    for (Parts* some : {&by_factor[f(k)], &all})
      some->heads.insert(part.head), some->devices.insert(part.device), ++some->count;
  }
  std::string text;
  for (const auto& [factor, some] : by_factor) {
    if (factor == 1) continue;
    const std::string of = parts_text(some, all, own, devices, of_queries, naming);
    if (of.empty()) return "";
    text += (text.empty() ? "" : "; they ") +
            (factor == 0 ? "lost the part of " : "count " + number_text(factor) + " x the part of ") + of;
  }
  return text;
}

// The rows of one head on one device
struct DeviceRows {
  Index device, devices;
  std::vector<std::size_t> rows;  // places in the part
};

void explain_rows(const RecordedTensor& t, const WrongPart& part, const DeviceRows& of,
                  const std::vector<Contribution>& parts, DeviceNaming naming, Explanations& explanations) {
  const std::optional<Vector<double>> f = fit_factors(t, part, of.rows, parts);
  if (!f) return;
  const std::string predicate = predicate_of(parts, *f, of.device, of.devices, t.name == "dq", naming);
  if (predicate.empty()) return;
  for (const std::size_t n : of.rows) {
    const ElementIndex& row = part.rows[n];
    Vector<double> candidate = Vector<double>::Zero(t.shape().D);
    for (Index k = 0; k < f->size(); ++k)
      if (!std::isnan((*f)(k)))
        candidate += (*f)(k)*parts[static_cast<std::size_t>(k)].values.row(t.global_row(row)).transpose();
    if (row_distance(t, row, candidate, part.channels) <= largest_explained_error / 2)
      explanations[n] = {"contributions",
                         predicate,
                         "Add each part once, at the place of its row.",
                         "",
                         evidence_of_agreement(t, row, part.channels),
                         1e4};
  }
}

}  // namespace

void find_contributions(const Problem<double>& problem, const Cotangents<double>& cotangents,
                        const Sharding& sharding, DeviceNaming naming, const RecordedTensor& t,
                        const WrongPart& part, Explanations& explanations) {
  const Shape& q = problem.Q.shape;
  if (q.B * q.H * q.S * problem.K.shape.S > affordable_pairs) return;

  // The wrong rows of each head and device
  const bool of_queries = t.name == "dq";
  const RowSharding& of_rows = of_queries ? sharding.queries : sharding.keys;
  std::map<HeadPlace, std::map<int, std::vector<std::size_t>>> heads;
  for (std::size_t n = 0; n < part.rows.size(); ++n)
    heads[{part.rows[n].b, part.rows[n].h}][of_rows.device_of(t.global_row(part.rows[n]))].push_back(n);
  std::vector<const decltype(heads)::value_type*> list;
  for (const auto& head : heads) list.push_back(&head);

  parallel_for(static_cast<Index>(list.size()), [&](Index n) {
    const auto& [head, devices] = *list[static_cast<std::size_t>(n)];
    const std::vector<Contribution> parts =
        of_queries ? parts_of_dq(problem, cotangents, sharding, head)
                   : parts_of_keys(problem, cotangents, sharding, head, t.name == "dk");
    if (parts.size() < 2) return;
    for (const auto& [device, rows] : devices)
      explain_rows(t, part, {device, sharding.devices(), rows}, parts, naming, explanations);
  });
}

void find_exchange(const Gradients<double>& truth, const RecordedTensor& t, const WrongPart& part,
                   Explanations& explanations) {
  if (t.name == "dq" || !(truth.dk.shape() == truth.dv.shape())) return;
  const std::string other = t.name == "dk" ? "dv" : "dk";
  const Tensor<double>& values = t.name == "dk" ? truth.dv : truth.dk;
  for (std::size_t n = 0; n < part.rows.size(); ++n) {
    const ElementIndex& row = part.rows[n];
    const Vector<double> alone = values.head(row.b, row.h).row(row.s).transpose(),
                         sum = alone + t.truth.head(row.b, row.h).row(row.s).transpose();
    const bool is_other = row_distance(t, row, alone, part.channels) <= largest_explained_error;
    if (!is_other && !(row_distance(t, row, sum, part.channels) <= largest_explained_error)) continue;
    explanations[n] = {"exchange",
                       is_other ? "hold the values of " + other : "hold the sum of dk and dv",
                       "Check the order in which dk and dv are passed and returned.",
                       "",
                       evidence_of_agreement(t, row, part.channels),
                       4};
  }
}

}  // namespace ringattn
