#include "reference/cli/strategies/comparison.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/output/units.h"
#include "reference/cli/run/definition_check.h"
#include "reference/comm/in_process/in_process_transport.h"
#include "reference/definition/input/bad_input.h"
#include "reference/strategies/distributed_attention.h"
#include "reference/trace/summary.h"
#include "reference/trace/tee_sink.h"

namespace ringattn::cli {

namespace {

// Counts messages, and finds the end of the run on the modelled clock.
class RunLength : public TraceSink {
 public:
  explicit RunLength(int devices) : messages_(static_cast<std::size_t>(devices)) {}

  void write(const Event& event) override {
    end_ns_ = std::max(end_ns_, event.t);
    if (event.kind == EventKind::send && event.phase == EventPhase::begin)
      ++messages_[static_cast<std::size_t>(event.id.device)];
  }
  double end_ns() const { return end_ns_; }
  std::int64_t most_messages() const { return *std::max_element(messages_.begin(), messages_.end()); }

 private:
  double end_ns_ = 0;
  std::vector<std::int64_t> messages_;
};

template <class T>
StrategyRow run_strategy(const OwnedProblem<T>& inputs, StrategyOptions options, bool backward,
                         const CostModel& cost) {
  StrategyRow row{
      std::string(name(options.strategy)) + (options.group > 0 ? " " + std::to_string(options.group) : ""),
      {}};
  const bool with_gradients = backward && options.strategy != Strategy::tree;
  try {
    check_strategy(options, inputs.Q.shape().H, inputs.K.shape().H, with_gradients);
  } catch (const BadInput& refusal) {
    row.refusal = refusal.what();
    return row;
  }

  // In lockstep the modelled clock and the order of events do not depend on the machine
  const int devices = options.ring.devices;
  Summary summary(devices);
  RunLength length(devices);
  TeeSink sink({&summary, &length});
  Recorders recorders = make_recorders(sink, devices, cost);
  options.ring.recorders = &recorders, options.ring.threads = 1;
  InProcessTransport<T> transport(devices, 1, options.ring.exchange);
  const AttentionOutput<T> forward = distributed_attention(inputs.problem(), options, transport);
  std::optional<Gradients<T>> gradients;
  if (with_gradients)
    gradients = distributed_attention_vjp(inputs.problem(), forward, inputs.cotangents(), options, transport);

  for (const DeviceSummary& device : summary.devices()) {
    row.bytes_sent = std::max(row.bytes_sent, device.bytes_sent);
    row.peak_bytes = std::max(row.peak_bytes, device.peak_bytes);
    row.waiting_microseconds = std::max(
        row.waiting_microseconds, 1e-3 * (device.wait_recv.virtual_ns + device.wait_send_buffer.virtual_ns));
  }
  row.messages = length.most_messages();
  row.microseconds = 1e-3 * length.end_ns();
  row.exact =
      check_against_definition(inputs, options.ring, forward, gradients ? &*gradients : nullptr).passed();
  return row;
}

}  // namespace

template <class T>
std::vector<StrategyRow> compare_strategies(const OwnedProblem<T>& inputs, const RingOptions& ring, int group,
                                            bool backward, const CostModel& cost) {
  std::vector<StrategyRow> rows;
  for (const Strategy strategy : all_strategies) {
    const bool grouped = strategy == Strategy::double_ring || strategy == Strategy::usp;
    rows.push_back(run_strategy(inputs, {strategy, grouped ? group : 0, ring}, backward, cost));
  }
  return rows;
}

std::string table(const std::vector<StrategyRow>& rows) {
  std::string text = "strategy          sent        peak   messages       time     waiting   result\n";
  for (const StrategyRow& row : rows)
    if (row.refusal.empty())
      text += fmt::format("{:13} {:>9} {:>11} {:>10} {:>7.0f} us {:>8.0f} us   {}\n", row.name,
                          bytes_text(static_cast<double>(row.bytes_sent)),
                          bytes_text(static_cast<double>(row.peak_bytes)), row.messages, row.microseconds,
                          row.waiting_microseconds, row.exact ? "exact" : "wrong");
    else
      text += fmt::format("{:13} {}\n", row.name, row.refusal);
  return text;
}

Json to_json(const std::vector<StrategyRow>& rows) {
  Json list = Json::array();
  for (const StrategyRow& row : rows) {
    if (!row.refusal.empty()) {
      list.push_back({{"strategy", row.name}, {"refusal", row.refusal}});
      continue;
    }
    list.push_back({{"strategy", row.name},
                    {"bytes_sent", row.bytes_sent},
                    {"peak_bytes", row.peak_bytes},
                    {"messages", row.messages},
                    {"microseconds", number(row.microseconds)},
                    {"waiting_microseconds", number(row.waiting_microseconds)},
                    {"exact", row.exact}});
  }
  return list;
}

template std::vector<StrategyRow> compare_strategies(const OwnedProblem<float>&, const RingOptions&, int,
                                                     bool, const CostModel&);
template std::vector<StrategyRow> compare_strategies(const OwnedProblem<double>&, const RingOptions&, int,
                                                     bool, const CostModel&);

}  // namespace ringattn::cli
