#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

namespace {

using enum FindingKind;

constexpr double nearly_all = 0.98;  // of the weights of a row come from one K/V head

// The sequence and K/V head that a row reads; none if it reads nothing or several
std::optional<Index> source_of(const Vector<double>& weights) {
  const double total = weights.cwiseAbs().sum();
  Index source = 0;
  if (!(total > 0) || weights.maxCoeff(&source) <= nearly_all * total) return std::nullopt;
  return source;
}

// A rule that gives the K/V head of each query head.
struct HeadRule {
  std::string subject;
  Index n = 0;
  std::function<Index(Index)> head;
};

std::vector<HeadRule> head_rules(Index Hq, Index Hkv) {
  const Index G = Hq / Hkv;
  std::vector<HeadRule> rules{{"zero", 0, [](Index) { return Index{0}; }},
                              {"mod", Hkv, [Hkv](Index h) { return h % Hkv; }}};
  for (Index n = 1; n < Hq; ++n)
    if (n != G) rules.push_back({"div", n, [n](Index h) { return h / n; }});
  for (Index n = G + 1; n < Hq; ++n) rules.push_back({"mod_div", n, [n, G](Index h) { return h % n / G; }});
  for (Index n = 2; n < Hq; ++n) rules.push_back({"tile_div", n, [n, G](Index h) { return h / n * n / G; }});
  return rules;
}

// The first rule that gives the K/V head of every query head that was measured
void find_rule(ExaminationState& state, const std::vector<std::optional<Index>>& read) {
  const Index Hq = state.attention.q.H, Hkv = state.attention.k.H;
  for (const HeadRule& rule : head_rules(Hq, Hkv)) {
    bool holds = true;
    for (Index h = 0; h < Hq; ++h)
      if (const auto& head = read[static_cast<std::size_t>(h)]) holds &= *head == rule.head(h);
    if (!holds) continue;
    state.findings.add(
        {.kind = head_rule, .numbers = {{"n", static_cast<double>(rule.n)}}, .subject = rule.subject});
    return;
  }
}

void close_rows(const ExaminationState& state, HeadReadout& head, const std::vector<Index>& rows) {
  for (const Index i : rows) head.open[at(i)] = false;
  judge_pairs(state, head);
}

// ---- Whole blocks of other heads -------------------------------------------------

// The sources that the rows of a device read in a block; none: rows differ
std::optional<std::set<Index>> sources_in_block(const HeadReadout& head, const std::vector<Index>& rows,
                                                Index block, Index blocks) {
  constexpr double least_share = 0.01;  // of the weights of a row
  std::optional<std::set<Index>> common;
  for (const Index i : rows) {
    const auto weights = head.weights_by_block.row(i);
    std::set<Index> sources;
    for (Index source = 0; source * blocks < weights.size(); ++source)
      if (std::abs(weights(source * blocks + block)) > least_share * weights.cwiseAbs().sum())
        sources.insert(source);
    if (sources.empty()) continue;
    if (common && *common != sources) return std::nullopt;
    common = sources;
  }
  return common ? common : std::set<Index>();
}

// Is any key of a block visible to one of the rows?
bool any_visible(const ExaminationState& state, const HeadReadout& head, const std::vector<Index>& rows,
                 Index block) {
  for (const Index i : rows)
    for (const Index j : state.sharding.keys.rows_of(static_cast<int>(block)))
      if (head.visible(i, j)) return true;
  return false;
}

// A finding for each source, if all rows of a device read a block from the same sources. Empty: they do not, or all
// blocks have the same sources
std::vector<Finding> heads_of_each_block(const ExaminationState& state, const HeadReadout& head,
                                         const std::vector<Index>& rows) {
  if (rows.empty() || head.weights_by_block.size() == 0) return {};
  const Index P = state.sharding.devices(), kv_heads = state.attention.k.H;
  std::map<Index, std::vector<BlockValue>> blocks_of_source;
  std::vector<BlockValue> valid;
  std::set<std::set<Index>> distinct;
  for (Index device = 0; device < P; ++device) {
    std::vector<Index> own;
    for (const Index i : rows)
      if (state.device_of_row(i) == device) own.push_back(i);
    for (Index block = 0; block < P; ++block) {
      const auto sources = sources_in_block(head, own, block, P);
      if (!sources) return {};
      for (const Index source : *sources) blocks_of_source[source].push_back({device, block, 1});
      if (!any_visible(state, head, own, block)) continue;
      valid.push_back({device, block, 1}), distinct.insert(*sources);
    }
  }
  if (distinct.size() == 1) return {};
  std::vector<Finding> findings;
  for (const auto& [source, blocks] : blocks_of_source)
    findings.push_back({.kind = heads_of_blocks,
                        .numbers = {{"batch", static_cast<double>(source / kv_heads)},
                                    {"head", static_cast<double>(source % kv_heads)}},
                        .blocks = blocks,
                        .relation = relation_of(blocks, valid, P)});
  return findings;
}

}  // namespace

// Which K/V head of which sequence does a query head take its values from? V of all keys of a head is one-hot.
bool find_head_map(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  std::vector<std::optional<Index>> read;
  for (Index h = 0; h < a.q.H; ++h) read.push_back(a.kv_head(h));
  bool any_wrong = false, one_head_each = true;
  for (HeadReadout& head : state.heads) {
    head.value_batch = head.b, head.value_head = a.kv_head(head.h);
    std::map<Index, std::vector<Index>> rows_of_source;
    std::vector<Index> mixed;
    for (Index i = 0; i < head.rows(); ++i) {
      if (!head.finite[static_cast<std::size_t>(i)]) continue;
      const auto source = source_of(head.weights_by_source.row(i));
      if (source == head.right_source[static_cast<std::size_t>(i)]) continue;
      if (source)
        rows_of_source[*source].push_back(i);
      else if ((head.weights_by_source.row(i).array() != 0).any())
        mixed.push_back(i);
    }

    // Several heads at once, or one for each block
    if (const auto findings = heads_of_each_block(state, head, mixed); !findings.empty()) {
      for (const Finding& finding : findings) state.findings.add(head.b, head.h, mixed, finding);
      close_rows(state, head, mixed);
    } else if (!mixed.empty()) {
      Finding finding{.kind = heads_mixed};
      const Vector<double> share =
          head.weights_by_source.row(mixed[0]) / head.weights_by_source.row(mixed[0]).sum();
      for (Index n = 0; n < share.size(); ++n)
        if (std::abs(share(n)) > 0.01) finding.blocks.push_back({n / a.k.H, n % a.k.H, share(n)});
      state.findings.add(head.b, head.h, mixed, finding);
      close_rows(state, head, mixed);
    }

    // One other head
    for (const auto& [source, rows] : rows_of_source) {
      auto& of_head = read[static_cast<std::size_t>(head.h)];
      one_head_each &= 10 * rows.size() > 9 * static_cast<std::size_t>(head.rows());
      of_head = source % a.k.H;
      if (2 * rows.size() > static_cast<std::size_t>(head.rows()))
        head.value_batch = source / a.k.H, head.value_head = source % a.k.H;
      any_wrong |= source % a.k.H != a.kv_head(head.h);
      Finding finding{.kind = head_read,
                      .numbers = {{"head", static_cast<double>(source % a.k.H)},
                                  {"right_head", static_cast<double>(a.kv_head(head.h))}}};
      if (const Index batch = source / a.k.H; batch != head.b)
        finding.numbers["batch"] = static_cast<double>(batch);
      state.findings.add(head.b, head.h, rows, finding);
    }
  }
  if (any_wrong && one_head_each) find_rule(state, read);
  return true;
}

}  // namespace ringattn
