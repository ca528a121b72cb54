#include "reference/oracle/examine/examination.h"

#include <algorithm>

namespace ringattn {

namespace {

// In larger rings the blocks are too many to be told apart, and findings do not name devices
constexpr int most_devices = 32;

// The largest relative error of one weight: P is rounded as an operand and out as a result; a ring may round out again
// where it merges the results of its devices
double rounding_of_weight(const ExaminedAttention& attention) {
  const Roundings u = roundings(attention.declared);
  // Kernels of bf16 or f16 products may round out to that type, and return it in a wider one
  const double stored = std::max(u.stored, u.weight);
  return u.probability + stored * (1 + 0.25 * (std::min(attention.devices, most_devices) - 1));
}

// Below it numbers of f16 lose digits; the other types reach further than any weight that is measured
double smallest_weight_of(const ExaminedAttention& attention, double one) {
  constexpr double f16 = 0x1p-14, others = 1e-36;
  const double of_operand = attention.declared.implementation == Precision::f16 ? f16 : others;
  const double of_result = attention.declared.stored == Dtype::f16 ? f16 / one : others;
  return 4 * std::max(of_operand, of_result);
}

constexpr ExaminationStep steps[] = {
    check_calls,     find_misread_memory, find_moved_channels, find_channels,        read_weights,
    find_moved_rows, find_moved_values,   find_head_map,       find_visible_rule,    find_key_counts,
    find_score_law,  find_denominator,    find_lse_relation,   check_ordinary_result};

}  // namespace

ExaminationState::ExaminationState(const ExaminedAttention& examined)
    : attention(examined),
      sharding(examined.layout, examined.devices <= most_devices ? examined.devices : 1, examined.q.S,
               examined.k.S),
      prober(examined),
      rounding(rounding_of_weight(examined)),
      smallest_weight(smallest_weight_of(examined, prober.one())),
      heads(examined.q.B, examined.q.H) {}

Examination examine(const ExaminedAttention& attention) {
  check(attention);
  ExaminationState state(attention);
  Examination examination;
  try {
    bool open = true;
    for (const ExaminationStep step : steps) open = open && step(state);
    if (state.findings.size() == 0) check_shifted_scores(state);
    if (attention.backward) examine_backward(state);
  } catch (const FailedCall& failure) {
    state.findings.add({.kind = FindingKind::failed_call,
                        .numbers = {{"call", state.prober.calls()}},
                        .quoted = failure.what()});
  }
  examination.findings = state.findings.all();
  examination.calls = state.prober.calls();
  examination.error = state.error, examination.explained = state.explained;
  examination.heads = std::move(state.heads);
  return examination;
}

}  // namespace ringattn
