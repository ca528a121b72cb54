#include "reference/cli/plan/plan_tables.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/output/paragraph.h"
#include "reference/cli/output/units.h"
#include "reference/planner/plan_timeline.h"
#include "reference/planner/report/plan_report.h"

namespace ringattn::cli {

namespace {

using planner::Energy;
using planner::MemoryTerm;
using planner::Model;
using planner::PassCost;
using planner::PassTimeline;
using planner::Plan;
using planner::PlanRequest;
using planner::StrategyPlan;

std::string seconds_text(double s) {
  return s < 1e-3 ? fmt::format("{:.1f} us", 1e6 * s)
         : s < 1  ? fmt::format("{:.1f} ms", 1e3 * s)
                  : fmt::format("{:.2f} s", s);
}

std::string heading(const PlanRequest& r) {
  const Model& m = r.model;
  std::string text =
      fmt::format("{}: {} layers, width {}, {} heads, {} K/V heads, dimension {}, {:.2f}e9 parameters\n",
                  m.name, m.layers, m.width, m.heads, m.kv_heads, m.dim, m.parameters() / 1e9);
  const std::string tokens =
      r.new_tokens ? fmt::format("{} new tokens behind {} cached ones", r.queries(), r.seq - r.queries())
                   : fmt::format("{} tokens", r.seq);
  text +=
      fmt::format("{}, batch {}, {}, {}, {} bytes an element\n", tokens, r.batch,
                  r.causal ? "causal" : "full mask", r.training ? "training" : "inference", r.bytes.input);
  text +=
      fmt::format("{} node{} of {} {}, {} GB/s inside ({})", r.nodes, r.nodes > 1 ? "s" : "",
                  r.devices_per_node, r.chip.name, r.node_link.rate.gigabytes_per_second(), r.node_link.name);
  if (r.nodes > 1)
    text += fmt::format(", {} GB/s = {} Gb/s between ({})", r.network.rate.gigabytes_per_second(),
                        r.network.rate.gigabits_per_second(), r.network.name);
  return text + fmt::format("\ntensor parallelism over {}, the sequence over {} devices, {}\n",
                            r.tensor_parallel, r.ring_devices(), name(r.ring_layout()));
}

std::string strategy_table(const Plan& plan) {
  std::string table =
      fmt::format("{:<14} {:>11} {:>5} {:>11} {:>11} {:>10} {:>9} {:>6} {:>14}\n", "strategy", "memory",
                  "fits", "sent fwd", "sent bwd", "time", "exposed", "MFU", "most tokens");
  for (const StrategyPlan& p : plan.strategies) {
    if (!p.possible()) {
      table += fmt::format("{:<14} impossible: {}\n", name(p.strategy), p.limit);
      continue;
    }
    table += fmt::format("{:<14} {:>11} {:>5} {:>11} {:>11} {:>10} {:>7.1f} % {:>4.1f} % {:>14}{}\n",
                         name(p.strategy), bytes_text(p.memory.total()), p.memory.fits() ? "yes" : "no",
                         bytes_text(p.layer.forward.bytes_sent),
                         p.layer.backward ? bytes_text(p.layer.backward->bytes_sent) : "-",
                         seconds_text(p.seconds), 100 * p.exposed_seconds / p.seconds, 100 * p.mfu,
                         p.longest_context, &p == &plan.chosen() ? "  <" : "");
  }
  return table + "sent: by one device for one layer; exposed: the part of the time that messages add\n";
}

std::string memory_table(const StrategyPlan& p) {
  std::string table = fmt::format("Memory of a device with {}\n", name(p.strategy));
  for (const MemoryTerm& term : p.memory.terms)
    table += fmt::format("  {:<17} {:>11}   {}\n", term.name, bytes_text(term.bytes), term.formula);
  return table + fmt::format("  {:<17} {:>11}   of {}\n", "sum", bytes_text(p.memory.total()),
                             bytes_text(p.memory.capacity));
}

std::string layer_table(const Plan& plan) {
  const StrategyPlan& p = plan.chosen();
  std::string table =
      fmt::format("Attention of one layer with {}\n  {:<9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}\n",
                  name(p.strategy), "", "sent", "in nodes", "between", "held", "time", "exposed");
  const auto add = [&](const char* pass, const PassCost& cost) {
    table +=
        fmt::format("  {:<9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}\n", pass, bytes_text(cost.bytes_sent),
                    bytes_text(cost.node_bytes), bytes_text(cost.network_bytes), bytes_text(cost.peak_bytes),
                    seconds_text(cost.seconds), seconds_text(cost.exposed_seconds));
  };
  add("forward", p.layer.forward);
  if (p.layer.backward) add("backward", *p.layer.backward);
  return table + "sent, held: by one device; in nodes, between: by the devices of one ring together\n";
}

// A row of 64 columns: _mark_ where spans fill at least half of the column, '.' where they fill less
std::string bar(const PassTimeline::Spans& spans, double seconds, char mark) {
  constexpr int columns = 64;
  std::string row(columns, ' ');
  for (int n = 0; n < columns; ++n) {
    const double begin = seconds * n / columns, end = seconds * (n + 1) / columns;
    double filled = 0;
    for (const auto& [from, to] : spans) filled += std::max(0.0, std::min(end, to) - std::max(begin, from));
    if (filled > 0) row[static_cast<std::size_t>(n)] = 2 * filled < end - begin ? '.' : mark;
  }
  return row;
}

std::string timeline_table(const Plan& plan) {
  const std::vector<PassTimeline> passes = timelines(plan);
  if (passes.empty()) return "";
  std::string table = "Timeline of one layer with " + name(plan.chosen().strategy) + "\n";
  for (const PassTimeline& t : passes)
    table +=
        fmt::format("  {} on device {}, which ends last, {}\n", t.pass, t.device, seconds_text(t.seconds)) +
        fmt::format("    arithmetic  |{}|\n", bar(t.arithmetic, t.seconds, '#')) +
        fmt::format("    messages    |{}|\n", bar(t.messages, t.seconds, '='));
  return table + "#, =: at least half of a column; .: less\n\n";
}

std::string energy_table(const StrategyPlan& p) {
  if (!p.energy) return "";
  const Energy& e = *p.energy;
  std::string table = fmt::format("Energy with {}: {:.4g} kWh, {:.3g} J/token\n", name(p.strategy),
                                  e.kilowatt_hours(), e.joules_per_token());
  const auto add = [&](const char* part, double joules) {
    table += fmt::format("  {:<28} {:>10.3g} kJ {:>7.2f} %\n", part, joules / 1e3,
                         100 * joules / (e.busy + e.waiting + e.link_modules));
  };
  add("chips, arithmetic", e.busy);
  add("chips, waiting", e.waiting);
  add("optics of the network", e.link_modules);
  add("(the bits alone would take)", e.link_bits);
  return table + "\n";
}

std::string sentences(const std::vector<std::string>& all, const std::string& label) {
  std::string text;
  for (const std::string& sentence : all) text += paragraph(label, sentence, 2);
  return text;
}

}  // namespace

std::string plan_text(const planner::Plan& plan) {
  return heading(plan.request) + "\n" + sentences(answer(plan), "") + "\n" + strategy_table(plan) + "\n" +
         memory_table(plan.chosen()) + "\n" + layer_table(plan) + "\n" + timeline_table(plan) +
         energy_table(plan.chosen()) + sentences(assumptions(plan), "-");
}

std::string presets_text() {
  std::string text = fmt::format("{:<12} {:>6} {:>6} {:>6} {:>6} {:>9} {:>10}   source\n", "model", "layers",
                                 "width", "heads", "K/V", "vocabulary", "parameters");
  for (const Model& m : planner::models())
    text += fmt::format("{:<12} {:>6} {:>6} {:>6} {:>6} {:>10} {:>9.2f}e9   {}\n", m.name, m.layers, m.width,
                        m.heads, m.kv_heads, m.vocabulary, m.parameters() / 1e9, m.source);
  text += fmt::format("\n{:<12} {:>9} {:>9} {:>7}   {:<12} source\n", "chip", "TFLOP/s", "memory", "power",
                      "link");
  for (const planner::Chip& c : planner::chips())
    text += fmt::format("{:<12} {:>9.1f} {:>9} {:>7}   {:<12} {}\n", c.name, c.peak_flops / 1e12,
                        fmt::format("{:.0f} GiB", c.memory_bytes / 0x1p30),
                        c.watts ? fmt::format("{:.0f} W", *c.watts) : "-", c.node_link, c.source);
  text += fmt::format("\n{:<12} {:>9} {:>9} {:>9}   source\n", "link", "GB/s", "Gb/s", "latency");
  for (const planner::LinkType& l : planner::link_types())
    text += fmt::format("{:<12} {:>9.4g} {:>9.5g} {:>6.0f} us   {}\n", l.name, l.rate.gigabytes_per_second(),
                        l.rate.gigabits_per_second(), 1e6 * l.latency_seconds, l.source);
  return text +
         "\nRates are those of one direction; rates of bytes and bits per second stand side by side.\n";
}

}  // namespace ringattn::cli
