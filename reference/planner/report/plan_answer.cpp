#include <fmt/core.h>

#include <cmath>

#include "reference/planner/report/plan_report.h"
#include "reference/planner/strategy/balance.h"
#include "reference/planner/strategy/pass_rule.h"

namespace ringattn::planner {

namespace {

std::string gibibytes(double bytes) { return fmt::format("{:.1f} GiB", bytes / 0x1p30); }

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.3g} ms", 1e3 * seconds) : fmt::format("{:.4g} s", seconds);
}

std::string memory_sentence(const StrategyPlan& p) {
  const std::string longest = p.longest_context > 0 ? fmt::format("At most {} tokens fit.", p.longest_context)
                                                    : "No context fits, because the rest fills the memory.";
  if (p.memory.fits())
    return fmt::format("It fits: with {}, a device needs {} of {}, and {} are free. {}", name(p.strategy),
                       gibibytes(p.memory.total()), gibibytes(p.memory.capacity), gibibytes(p.memory.free()),
                       longest);
  return fmt::format("It does not fit: with {}, a device needs {} of {}, {} too much. {}", name(p.strategy),
                     gibibytes(p.memory.total()), gibibytes(p.memory.capacity), gibibytes(-p.memory.free()),
                     longest);
}

std::string messages_sentence(const Plan& plan) {
  const PlanRequest& r = plan.request;
  const StrategyPlan& p = plan.chosen();
  if (r.ring_devices() == 1) return "One device holds the sequence and sends no messages of attention.";
  const std::string share =
      fmt::format("they account for {} of {} ({:.1f} %)", seconds_text(p.exposed_seconds),
                  seconds_text(p.seconds), 100 * p.exposed_seconds / p.seconds);
  std::string text =
      fmt::format("The messages are {}: {}. A device holds {:.0f} tokens", p.hidden() ? "hidden" : "exposed",
                  share, static_cast<double>(r.seq) / r.ring_devices());
  if (p.hiding_block_forward)
    text += fmt::format(
        ", and rotating K and V are hidden from {:.0f} tokens on{}", std::ceil(*p.hiding_block_forward),
        p.hiding_block_backward ? fmt::format(" (backward, with their gradients, from {:.0f})",
                                              std::ceil(*p.hiding_block_backward))
                                : "");
  return text + ".";
}

std::string time_sentence(const Plan& plan) {
  const StrategyPlan& p = plan.chosen();
  return fmt::format("{} takes {}: {:.4g} tokens/s, MFU {:.1f} %.",
                     plan.request.training ? "A training step" : "The forward pass, until the first token,",
                     seconds_text(p.seconds), plan.request.tokens() / p.seconds, 100 * p.mfu);
}

std::string change_sentence(const Plan& plan) {
  if (plan.change) {
    const StrategyPlan& p = plan.change->result;
    return fmt::format(
        "The cheapest change that helps: {}. Then a device needs {}, and the time is {}, of which messages "
        "account for {:.1f} %.",
        plan.change->description, gibibytes(p.memory.total()), seconds_text(p.seconds),
        100 * p.exposed_seconds / p.seconds);
  }
  const StrategyPlan& p = plan.chosen();
  if (!p.memory.fits())
    return p.longest_context > 0
               ? fmt::format("No listed change helps; plan at most {} tokens.", p.longest_context)
               : "No listed change helps; choose a smaller model or chips with more memory.";
  return p.hidden() ? "Nothing needs to change." : "No listed change hides the messages.";
}

// The gain of a balanced layout
std::string balance_sentence(const PlanRequest& r) {
  const int P = r.ring_devices();
  return fmt::format(
      "Contiguous causal shards leave devices idle in {:.1f} % of all blocks (with helpers, "
      "arXiv:2310.03294, {:.1f} %); "
      "a balanced layout is up to {:.2f} times as fast.",
      100 * idle_share_of_contiguous(P), 100 * idle_share_with_helpers(P),
      balance_speedup(r.model, P, static_cast<double>(r.seq) / P, 1));
}

// The published choice between rotating K, V and rotating Q, for new tokens behind cached ones
std::string pass_rule_sentence(const PlanRequest& r) {
  const Machine machine = r.attention_work().machine;
  const LinkType& link = machine.spans_nodes() ? machine.network : machine.node_link;
  const PassRule rule{static_cast<double>(r.ring_devices()), machine.flops,
                      link.rate.bytes_per_second(),          static_cast<double>(r.model.heads),
                      static_cast<double>(r.model.kv_heads), static_cast<double>(r.bytes.input)};
  const auto tokens = static_cast<double>(r.queries()), cached = static_cast<double>(r.seq) - tokens;
  return fmt::format(
      "By the rule of arXiv:2411.01783, {} should rotate: {} of {} tokens are new, Q is smaller up to {:.3g} "
      "% of new "
      "tokens, and K and V are hidden from {:.0f} new tokens on.",
      rule.keys_should_rotate(tokens, cached) ? "K and V" : "Q", r.queries(), r.seq,
      100 * rule.largest_share_for_q(), std::ceil(rule.tokens_that_hide_kv()));
}

}  // namespace

std::vector<std::string> answer(const Plan& plan) {
  std::vector<std::string> sentences = {memory_sentence(plan.chosen()), messages_sentence(plan),
                                        time_sentence(plan), change_sentence(plan)};
  const PlanRequest& r = plan.request;
  if (r.ring_devices() > 1 && r.causal && r.ring_layout() == Layout::contiguous && !r.new_tokens)
    sentences.push_back(balance_sentence(r));
  if (r.ring_devices() > 1 && r.new_tokens) sentences.push_back(pass_rule_sentence(r));
  const Model& model = r.model;
  if (model.positions > 0 && r.seq > model.positions)
    sentences.push_back(fmt::format("Note: {} was trained for {} positions, and {} are planned.", model.name,
                                    model.positions, r.seq));
  return sentences;
}

std::vector<std::string> assumptions(const Plan& plan) {
  const PlanRequest& r = plan.request;
  std::vector<std::string> sentences = {
      fmt::format("Chips reach {:.0f} % and links {:.0f} % of their peak (the default was measured in "
                  "arXiv:2411.01783); "
                  "latencies are {:.3g} us inside a node and {:.3g} us between nodes.",
                  100 * r.chip_efficiency, 100 * r.link_efficiency, 1e6 * r.node_link.latency_seconds,
                  1e6 * r.network.latency_seconds),
      fmt::format(
          "MFU counts model FLOPs: {} of attention, backward twice forward, no recomputation, at the peak of "
          "the chip. Time counts a backward pass of attention as 2.5 forward passes{}.",
          r.causal ? "the causal half" : "the full square",
          r.training ? ", and recomputes each layer from its checkpoint" : ""),
      "Bytes, memory and times of attention are those of this engine, which runs the schedule of each "
      "strategy "
      "without numbers. Messages of tensor parallelism and of sharded weights are not planned.",
      "A device holds the attention of one layer at a time, and computes the feed-forward network in blocks "
      "of "
      "tokens."};
  if (r.chip.watts)
    sentences.push_back(
        fmt::format("A busy chip takes {:.0f} W and a waiting one {:.0f} % of that; the building takes "
                    "{:.2f} times the energy of its computers. Both factors are assumptions.",
                    *r.chip.watts, 100 * r.waiting_share, r.pue));
  else
    sentences.push_back(
        fmt::format("No power of {} is published here; give --chip-watts for the energy.", r.chip.name));
  return sentences;
}

}  // namespace ringattn::planner
