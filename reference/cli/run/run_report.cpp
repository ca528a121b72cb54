#include "reference/cli/run/run_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/output/units.h"
#include "reference/strategies/pass_choice.h"

namespace ringattn::cli {

namespace {

std::string seconds(double s) {
  return s < 1 ? fmt::format("{:.1f} ms", 1e3 * s) : fmt::format("{:.2f} s", s);
}

// "K/V rotating" for a ring, else the name of the strategy
std::string strategy_text(const RunReport& r) {
  if (r.strategy == "ring") return r.parallel.rotate == "kv" ? "K/V rotating" : "Q rotating";
  if (r.strategy == "auto") {
    const bool q_forward = forward_rotation(r.q, r.k, r.v) == Rotation::q,
               q_backward = backward_rotation(r.q, r.k, r.v) == Rotation::q;
    return fmt::format("strategy auto: {} rotating{}", q_forward ? "Q" : "K/V",
                       !r.backward  ? ""
                       : q_backward ? " forward, Q backward"
                                    : " forward, K/V backward");
  }
  return "strategy " + r.strategy + (r.group > 0 ? fmt::format(" with groups of {}", r.group) : "");
}

// The subject of the verdict
std::string subject(const RunReport& r) { return r.strategy == "ring" ? "the ring" : r.strategy; }

void print_header(const RunReport& r) {
  fmt::print("{} queries, {} keys, batch {}, {} query heads, {} K/V heads, head dimension {} (V: {}), {}\n",
             r.q.S, r.k.S, r.q.B, r.q.H, r.k.H, r.q.D, r.v.D, name(r.dtype));
  std::string where = r.parallel.transport;
  if (r.gpu)
    where = fmt::format("{} on {}, rung {} ({})", r.processes > 1 ? "each" : "all", r.gpu->device,
                        r.gpu->rung, r.gpu->kernel);
  if (r.gpu && r.backward)
    where += fmt::format(", backward rung {} ({})", r.gpu->backward_rung, r.gpu->backward_kernel);
  if (r.gpu && r.parallel.transport == "nccl") where += ", over NCCL";
  fmt::print("{} devices, {}, {}, {}{}\n\n", r.parallel.devices, r.parallel.layout, strategy_text(r), where,
             r.parallel.overlap ? "" : ", no overlap");
  for (const std::string& note : r.notes) fmt::print("note: {}\n\n", note);
}

// Of long rings, only the first and last devices are shown
void print_devices(const RunReport& r) {
  constexpr std::size_t shown = 8;
  fmt::print("device   queries   peak memory          sent        busy     waiting\n");
  for (std::size_t d = 0; d < r.devices.size(); ++d) {
    if (r.devices.size() > 2 * shown && d == shown) {
      fmt::print("   ...\n");
      d = r.devices.size() - shown;
    }
    const DeviceSummary& device = r.devices[d];
    fmt::print("{:6} {:9} {:>13} {:>13} {:>11} {:>11}\n", d, r.rows_of_device[d],
               bytes_text(static_cast<double>(device.peak_bytes)),
               bytes_text(static_cast<double>(device.bytes_sent)), seconds(device.busy.wall_seconds),
               seconds(device.wait_recv.wall_seconds + device.wait_send_buffer.wall_seconds));
  }
}

void print_summary(const RunReport& r) {
  const double element = r.dtype == Dtype::f64 ? 8 : 4;
  const double matrix = element * static_cast<double>(r.q.S) * static_cast<double>(r.k.S);
  fmt::print(
      "\nThe full score matrix of one head would take {}; a device holds only one tile of it at a time.\n",
      bytes_text(matrix));
  fmt::print("The inputs and results of all devices, which this command keeps in one place, take {}.\n",
             bytes_text(element * static_cast<double>(r.q.size() * 2 + r.k.size() + r.v.size())));
  if (r.overlap.transfer.wall_seconds > 0)
    fmt::print(
        "Messages took {} in total; devices waited for {} of that: {:.0f} % of the communication is "
        "hidden.\n",
        seconds(r.overlap.transfer.wall_seconds), seconds(r.overlap.exposed.wall_seconds),
        100 * r.overlap.hidden_fraction_wall());
  if (const auto condition = r.overlap_condition())
    fmt::print(
        "Per device, messages take {} on the links and arithmetic takes {}. Arithmetic can hide messages "
        "from about "
        "{:.0f} queries per device; this run has {:.0f}.\n",
        seconds(condition->link_seconds), seconds(condition->busy_seconds), condition->required_queries(),
        condition->queries);
  fmt::print("{} took {}{}", r.strategy == "ring" ? "The ring" : "The run", seconds(r.ring_seconds),
             r.gpu ? ", including transfers to and from the GPU" : "");
  if (r.check.full_seconds) fmt::print("; full attention in float64 took {}", seconds(*r.check.full_seconds));
  fmt::print(".\n\n");
}

void print_check(const RunReport& r) {
  if (r.check.sampled_rows)
    fmt::print("Checked {} query rows{}: the first, the last, those at shard boundaries, and random ones.\n",
               *r.check.sampled_rows, r.backward ? " and keys" : "");
  else
    fmt::print("Checked all rows.\n");
  print(r.check.tensors);
}

void print_verdict(const RunReport& r) {
  if (r.check.passed()) {
    fmt::print("exact: {} equals full attention up to rounding\n", subject(r));
    return;
  }
  std::string where;
  for (const CheckedTensor& t : r.check.tensors)
    if (!t.passed())
      where += fmt::format("{} {} (sequence {}, row {}, head {})", where.empty() ? "" : ",", t.name,
                           t.comparison.worst_b, t.comparison.worst_s, t.comparison.worst_h);
  fmt::print("wrong: {} differs from full attention by more than rounding; worst at{}\n", subject(r), where);
}

}  // namespace

std::optional<OverlapCondition> RunReport::overlap_condition() const {
  const CostModel links = parallel.cost_model();
  const bool known = links.link_gbps > 0, measured = processes > 1;
  if (parallel.devices == 1 || links.has_several_links() || !(known || measured)) return {};
  OverlapCondition condition;
  for (const DeviceSummary& device : devices) {
    const double link_seconds =
        known ? 1e-9 * links.transfer_ns(device.bytes_sent) : device.messages.transfer.wall_seconds;
    condition.link_seconds += link_seconds / parallel.devices;
    condition.busy_seconds += device.busy.wall_seconds / parallel.devices;
  }
  condition.queries = static_cast<double>(q.S) / parallel.devices;
  return condition;
}

void print(const RunReport& report) {
  print_header(report);
  print_devices(report);
  print_summary(report);
  print_check(report);
  print_verdict(report);
}

void print(const std::vector<CheckedTensor>& tensors) {
  fmt::print("tensor   max abs error   relative error        worst row         allowed\n");
  for (const CheckedTensor& t : tensors)
    fmt::print("{:6} {:15.1e} {:16.1e} {:16.1e} {:15.1e}\n", t.name, t.comparison.max_abs_error,
               t.comparison.relative_error, t.comparison.worst_row_error, t.tolerance);
  fmt::print("\n");
}

Json to_json(const DefinitionCheck& check) {
  Json result{{"verdict", check.passed() ? "exact" : "wrong"}};
  for (const CheckedTensor& t : check.tensors)
    result[t.name] = {{"max_abs_error", number(t.comparison.max_abs_error)},
                      {"relative_error", number(t.comparison.relative_error)},
                      {"worst_row_error", number(t.comparison.worst_row_error)},
                      {"allowed", number(t.tolerance)}};
  return result;
}

Json to_json(const RunReport& r) {
  Json devices = Json::array();
  for (std::size_t d = 0; d < r.devices.size(); ++d)
    devices.push_back({{"device", d},
                       {"queries", r.rows_of_device[d]},
                       {"peak_bytes", r.devices[d].peak_bytes},
                       {"bytes_sent", r.devices[d].bytes_sent},
                       {"busy_seconds", number(r.devices[d].busy.wall_seconds)},
                       {"wait_seconds", number(r.devices[d].wait_recv.wall_seconds +
                                               r.devices[d].wait_send_buffer.wall_seconds)}});

  Json time{{"ring_seconds", number(r.ring_seconds)}, {"full_seconds", nullptr}};
  if (r.check.full_seconds) time["full_seconds"] = number(*r.check.full_seconds);
  if (r.check.sampled_rows) time["checked_rows"] = *r.check.sampled_rows;

  const double hidden = r.overlap.hidden_fraction_wall();
  Json overlap{{"transfer_seconds", number(r.overlap.transfer.wall_seconds)},
               {"exposed_seconds", number(r.overlap.exposed.wall_seconds)},
               {"hidden_fraction", nullptr}};
  if (const auto condition = r.overlap_condition())
    overlap["condition"] = {{"link_seconds", number(condition->link_seconds)},
                            {"busy_seconds", number(condition->busy_seconds)},
                            {"queries", number(condition->queries)},
                            {"enough_queries", number(condition->required_queries())}};
  if (r.overlap.transfer.wall_seconds > 0) overlap["hidden_fraction"] = number(hidden);

  Json gpu;
  if (r.gpu) gpu = {{"device", r.gpu->device}, {"rung", r.gpu->rung}, {"kernel", r.gpu->kernel}};
  if (r.gpu && r.backward)
    gpu["backward_rung"] = r.gpu->backward_rung, gpu["backward_kernel"] = r.gpu->backward_kernel;

  return {{"config", r.config}, {"notes", r.notes},   {"result", to_json(r.check)}, {"devices", devices},
          {"time", time},       {"overlap", overlap}, {"processes", r.processes},   {"gpu", gpu}};
}

}  // namespace ringattn::cli
