#include "reference/oracle/measured/measure.h"

#include <algorithm>
#include <functional>

#include "reference/oracle/measured/finders/altered_backward.h"
#include "reference/oracle/measured/finders/channel_map.h"
#include "reference/oracle/measured/finders/contributions.h"
#include "reference/oracle/measured/finders/factor.h"
#include "reference/oracle/measured/finders/head_map.h"
#include "reference/oracle/measured/finders/head_scale.h"
#include "reference/oracle/measured/finders/ignored_terms.h"
#include "reference/oracle/measured/finders/key_range.h"
#include "reference/oracle/measured/finders/key_weights.h"
#include "reference/oracle/measured/finders/lse_relation.h"
#include "reference/oracle/measured/finders/not_finite.h"
#include "reference/oracle/measured/finders/places.h"
#include "reference/oracle/measured/finders/query_rows.h"
#include "reference/oracle/measured/finders/row_sum.h"
#include "reference/oracle/measured/finders/tensors.h"

namespace ringattn {

namespace {

using Submitted = std::optional<TensorView<const double>>;
using Finder = std::function<void(const RecordedTensor&, const WrongPart&, Explanations&)>;

// Whether some finder explains each row
bool all_explained(const std::vector<Explanations>& of_finders, std::size_t rows) {
  for (std::size_t n = 0; n < rows; ++n)
    if (std::none_of(of_finders.begin(), of_finders.end(),
                     [n](const Explanations& explanations) { return explanations[n].has_value(); }))
      return false;
  return true;
}

// The number of keys that the mask shows to each judged row, beyond the first
Matrix<double> other_keys(const Problem<double>& problem, const std::vector<Index>& rows) {
  Matrix<double> count = Matrix<double>::Zero(problem.Q.shape.B, static_cast<Index>(rows.size()));
  for (Index b = 0; b < count.rows(); ++b)
    for (Index n = 0; n < count.cols(); ++n) {
      const auto row = static_cast<std::size_t>(rows[static_cast<std::size_t>(n)]);
      for (const RowPosition& key : problem.kv_positions.of(b))
        count(b, n) += visible(problem.q_positions.of(b)[row], key, problem.scoring.mask);
    }
  return (count.array() - 1).max(0);
}

// The measurement of one submission
class Measuring {
 public:
  Measuring(const Submission& submission, const JudgedResults& judged)
      : s_(submission),
        judged_(judged),
        sharding_(s_.layout, s_.devices, s_.problem.Q.shape.S, s_.problem.K.shape.S) {}

  Measurement run() {
    if (s_.problem.K.shape.size() == 0 || s_.problem.Q.shape.size() == 0 || s_.problem.V.shape.size() == 0)
      return {};
    const AttentionOutput<double>&truth = judged_.forward.truth, &tolerance = judged_.forward.tolerance;
    const auto out = recorded("out", s_.out, truth.out, tolerance.out),
               lse = recorded("lse", s_.lse, truth.lse, tolerance.lse);
    if (out && failed("out")) measure_tensor(*out, finders_of_out(lse ? &*lse : nullptr));
    if (lse && failed("lse")) measure_tensor(*lse, finders_of_lse());
    if (judged_.gradients) {
      const Gradients<double>&right = judged_.gradients->truth, &allowed = judged_.gradients->tolerance;
      measure_gradient("dq", s_.dq, right.dq, allowed.dq);
      measure_gradient("dk", s_.dk, right.dk, allowed.dk);
      measure_gradient("dv", s_.dv, right.dv, allowed.dv);
    }
    for (MeasuredFinding& finding : compare_tensors(judged_.verdicts))
      result_.findings.push_back(std::move(finding));
    return std::move(result_);
  }

 private:
  const TensorVerdict* verdict_on(const std::string& name) const {
    for (const TensorVerdict& verdict : judged_.verdicts)
      if (verdict.tensor == name) return &verdict;
    return nullptr;
  }
  bool failed(const std::string& name) const {
    const TensorVerdict* verdict = verdict_on(name);
    return verdict && verdict->status == Status::fail;
  }

  std::optional<RecordedTensor> recorded(const std::string& name, const Submitted& found,
                                         const Tensor<double>& truth, const Tensor<double>& tolerance) const {
    const TensorVerdict* verdict = verdict_on(name);
    if (!found || !verdict) return std::nullopt;
    const bool of_keys = name == "dk" || name == "dv";
    const std::vector<Index>& rows = of_keys ? judged_.keys : judged_.rows;
    const RowSharding& sharding = of_keys ? sharding_.keys : sharding_.queries;
    RecordedTensor tensor = record(name, select_rows(*found, rows), truth, tolerance, verdict->note_limit,
                                   {truth.shape().B, truth.shape().H, rows, &sharding, of_keys});
    if (name == "out" || name == "dq") tensor.freedom = other_keys(s_.problem, rows);
    return tensor;
  }

  // A finder of the problem
  template <class Find>
  Finder with_problem(const Find& find) const {
    return [this, find](const auto& t, const auto& part, auto& e) { find(s_.problem, t, part, e); };
  }
  Finder order() const {
    return [this](const auto& t, const auto& part, auto& e) { find_order(t, part, s_.devices, e); };
  }

  Finder not_finite() const {
    return [this](const auto& t, const auto& part, auto& e) {
      find_not_finite(t, part, judged_.forward.truth.lse, e);
    };
  }

  std::vector<Finder> finders_of_out(const RecordedTensor* lse) const {
    const auto by_block = [this](DeviceNaming naming) {
      return [this, naming](const auto& t, const auto& part, auto& e) {
        find_block_weights(s_.problem, t, part, sharding_, naming, e);
      };
    };
    std::vector<Finder> finders{
        not_finite(),
        with_problem(find_ignored_terms),
        find_factor,
        order(),
        find_places,
        find_channel_map,
        with_problem(find_head_map),
        [this, lse](const auto& t, const auto& part, auto& e) { find_scale(s_.problem, t, lse, part, e); }};
    if (s_.problem.has_pair_terms()) return finders;
    const std::vector<Finder> of_keys{
        [this, lse](const auto& t, const auto& part, auto& e) { find_row_sum(s_.problem, t, lse, part, e); },
        with_problem(find_key_range),
        by_block(DeviceNaming::number),
        by_block(DeviceNaming::step),
        with_problem(find_distance_weights),
        with_problem(find_tile_weights),
        with_problem(find_edge_weights),
        with_problem(find_tile_pair_weights),
        with_problem(find_query_rows)};
    finders.insert(finders.end(), of_keys.begin(), of_keys.end());
    return finders;
  }

  std::vector<Finder> finders_of_lse() const {
    std::vector<Finder> finders{with_problem(find_ignored_terms)};
    if (!s_.problem.has_pair_terms()) finders.push_back(with_problem(find_lse_relation));
    const std::vector<Finder> others{
        order(), find_places, with_problem(find_head_map),
        [this](const auto& t, const auto& part, auto& e) { find_scale(s_.problem, t, nullptr, part, e); }};
    finders.insert(finders.end(), others.begin(), others.end());
    return finders;
  }

  void measure_gradient(const std::string& name, const Submitted& found, const Tensor<double>& truth,
                        const Tensor<double>& tolerance) {
    if (!failed(name)) return;
    const auto by_part = [this](DeviceNaming naming) {
      return [this, naming](const auto& t, const auto& part, auto& e) {
        find_contributions(s_.problem, s_.cotangents, sharding_, naming, t, part, e);
      };
    };
    const auto exchange = [this](const auto& t, const auto& part, auto& e) {
      find_exchange(judged_.gradients->truth, t, part, e);
    };
    std::vector<Finder> finders{not_finite(), find_factor, order(), find_places, find_channel_map, exchange};
    if (!s_.problem.has_pair_terms()) {
      finders.push_back(by_part(DeviceNaming::number)), finders.push_back(by_part(DeviceNaming::step));
      if (static_cast<Index>(judged_.rows.size()) == s_.problem.Q.shape.S)
        finders.push_back([this](const auto& t, const auto& part, auto& e) {
          find_altered_backward(s_.problem, judged_.forward.truth, s_.cotangents, t, part, e);
        });
    }
    measure_tensor(*recorded(name, found, truth, tolerance), finders);
  }

  // The finders on every part of a tensor. Those that cost more come later, and are not needed once all rows are
  // explained by the same
  void measure_tensor(const RecordedTensor& tensor, const std::vector<Finder>& finders) {
    Measurement::Explained count{tensor.name};
    for (const WrongPart& part : wrong_parts(tensor)) {
      std::vector<Explanations> of_finders;
      for (const Finder& find : finders) {
        of_finders.emplace_back(part.rows.size());
        find(tensor, part, of_finders.back());
        if (all_explained(of_finders, part.rows.size()) && findings_of(tensor, part, of_finders).size() == 1)
          break;
      }
      count.wrong += static_cast<Index>(part.rows.size());
      for (MeasuredFinding& finding : findings_of(tensor, part, of_finders)) {
        count.explained += finding.rows;
        result_.findings.push_back(std::move(finding));
      }
    }
    result_.tensors.push_back(count);
  }

  const Submission& s_;
  const JudgedResults& judged_;
  Sharding sharding_;
  Measurement result_;
};

}  // namespace

Measurement measure(const Submission& submission, const JudgedResults& judged) {
  return Measuring(submission, judged).run();
}

}  // namespace ringattn
