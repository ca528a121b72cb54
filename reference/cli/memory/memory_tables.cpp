#include "reference/cli/memory/memory_tables.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/output/paragraph.h"
#include "reference/cli/output/units.h"
#include "reference/cli/run/run_report.h"

namespace ringattn::cli {

namespace {

std::string legend(const std::vector<InputResult>& results) {
  std::string text;
  for (const InputResult& r : results) text += paragraph(r.input, r.description);
  return text;
}

// All inputs have the same memories and number of tokens, hence the same sizes and work
std::string size_table(const InputResult& r, int devices) {
  std::string table =
      fmt::format("{:<14} {:<12} {:>10} {:>14}   {}\n", "", "attention", "bytes", "multiply-adds", "tokens");
  const auto add = [&](const std::string& name, bool exact, Index bytes, double work,
                       const std::string& tokens) {
    table += fmt::format("{:<14} {:<12} {:>10} {:14.1e}   {}\n", name, exact ? "exact" : "approximate",
                         bytes_text(static_cast<double>(bytes)), work, tokens);
  };
  add("ring", r.ring.check.passed(), r.ring.bytes, r.ring.multiply_adds,
      fmt::format("all {}, distributed over {} devices", r.tokens, devices));
  for (const MemoryResult& m : r.memories)
    add(m.memory.name, m.report.is_exact(), m.report.bytes, m.report.multiply_adds,
        description(m.memory.options));
  return table;
}

// One column for each input, one line for the ring and for each memory
std::string columns(const std::vector<InputResult>& results, const auto& of_ring, const auto& of_memory) {
  std::string table = fmt::format("{:<14}", "");
  for (const InputResult& r : results) table += fmt::format(" {:>13}", r.input);
  table += fmt::format("\n{:<14}", "ring");
  for (const InputResult& r : results) table += fmt::format(" {:>13}", of_ring(r.ring));
  for (std::size_t n = 0; n < results.front().memories.size(); ++n) {
    table += fmt::format("\n{:<14}", results.front().memories[n].memory.name);
    for (const InputResult& r : results) table += fmt::format(" {:>13}", of_memory(r.memories[n].report));
  }
  return table + "\n";
}

std::string error_table(const std::vector<InputResult>& results) {
  return columns(
      results, [](const RingResult& ring) { return fmt::format("{:.1e}", ring.error); },
      [](const MemoryReport& report) { return fmt::format("{:.1e}", report.error); });
}

std::string mass_table(const std::vector<InputResult>& results) {
  return columns(
      results, [](const RingResult&) { return std::string("1.000"); },
      [](const MemoryReport& report) {
        return report.tokens.pooled > 0 ? fmt::format("{:.3f} + {:.3f}", report.mass_kept, report.mass_pooled)
                                        : fmt::format("{:.3f}", report.mass_kept);
      });
}

// One column for each needle
std::string needle_table(const InputResult& r) {
  std::string table = fmt::format("{:<14}", r.input);
  for (const Needle& needle : r.needles) table += fmt::format(" {:>5.0f} %", 100 * needle.depth);
  const auto add = [&](const std::string& name, const std::vector<bool>& found) {
    table += fmt::format("\n{:<14}", name);
    for (const bool each : found) table += fmt::format(" {:>7}", each ? "found" : "lost");
  };
  add("ring", r.ring.found);
  for (const MemoryResult& m : r.memories) add(m.memory.name, m.found);
  return table + "\n";
}

std::string last_line(const std::vector<InputResult>& results) {
  std::string approximate;
  for (const MemoryResult& m : results.front().memories)
    if (!m.report.is_exact()) approximate += (approximate.empty() ? "" : ", ") + m.memory.name;
  return fmt::format("{}; approximate: {}\n",
                     ring_passed(results)
                         ? "exact: the ring equals full attention up to rounding"
                         : "wrong: the ring differs from full attention by more than rounding",
                     approximate.empty() ? "no memory, as each keeps all tokens" : approximate);
}

Json found_json(const std::vector<bool>& found) {
  Json list = Json::array();
  for (const bool each : found) list.push_back(each);
  return list;
}

Json to_json(const MemoryResult& m) {
  const MemoryReport& r = m.report;
  const TokenCounts& t = r.tokens;
  return {{"memory", m.memory.name},
          {"verdict", r.is_exact() ? "exact" : "approximate"},
          {"sentence", r.sentence()},
          {"parts", description(m.memory.options)},
          {"tokens",
           {{"sinks", t.sinks},
            {"window", t.window},
            {"heavy_hitters", t.heavy_hitters},
            {"waiting", t.waiting},
            {"pooled", t.pooled},
            {"linear", t.linear},
            {"dropped", t.dropped}}},
          {"bytes", r.bytes},
          {"multiply_adds", number(r.multiply_adds)},
          {"relative_error", number(r.error)},
          {"mass_kept", number(r.mass_kept)},
          {"mass_pooled", number(r.mass_pooled)},
          {"found", found_json(m.found)}};
}

}  // namespace

bool ring_passed(const std::vector<InputResult>& results) {
  return std::all_of(results.begin(), results.end(),
                     [](const InputResult& r) { return r.ring.check.passed(); });
}

std::string tables(const std::vector<InputResult>& results, int devices) {
  const InputResult& first = results.front();
  std::string text =
      fmt::format("{} tokens, causal, one head of dimension {}, f32\n\n", first.tokens, first.dim);
  text += legend(results) + "\n";
  text += size_table(first, devices);
  text += fmt::format(
      "\nError of the output against exact attention, norm(out' - out) / norm(out), over {} queries of the "
      "last quarter\n",
      first.compared_rows);
  text += error_table(results);
  text +=
      "\nMass: the part of exact attention on tokens that the memory keeps; +: on tokens that it keeps "
      "pooled\n";
  text += mass_table(results);
  bool asked = false;
  for (const InputResult& r : results) {
    if (r.needles.empty()) continue;
    text +=
        asked ? "\n" : "\nNeedles, asked for after the last token, by the part of the sequence before them\n";
    text += needle_table(r);
    asked = true;
  }
  return text + "\n" + last_line(results);
}

Json to_json(const std::vector<InputResult>& results, int devices) {
  Json inputs = Json::array();
  for (const InputResult& r : results) {
    Json depths = Json::array(), memories = Json::array();
    for (const Needle& needle : r.needles) depths.push_back(number(needle.depth));
    for (const MemoryResult& m : r.memories) memories.push_back(to_json(m));
    Json ring = {{"result", to_json(r.ring.check)},
                 {"bytes", r.ring.bytes},
                 {"multiply_adds", number(r.ring.multiply_adds)},
                 {"relative_error", number(r.ring.error)},
                 {"found", found_json(r.ring.found)}};
    inputs.push_back({{"input", r.input},
                      {"tokens", r.tokens},
                      {"dim", r.dim},
                      {"compared_rows", r.compared_rows},
                      {"needle_depths", depths},
                      {"ring", ring},
                      {"memories", memories}});
  }
  return {{"devices", devices}, {"inputs", inputs}};
}

}  // namespace ringattn::cli
