// The catalogue and its entries as text and JSON.

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "reference/cli/oracle/mistakes.h"
#include "reference/cli/output/paragraph.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/probes/probes.h"

namespace ringattn::cli {

namespace {

constexpr Family families[] = {Family::convention,     Family::scale,     Family::mask,
                               Family::online_softmax, Family::merge,     Family::ring,
                               Family::layout,         Family::heads,     Family::operands,
                               Family::backward,       Family::strategies};

// ---- Small cases on which mistakes can occur -----------------------------------

struct SmallCase {
  const char *name, *probe;  // as reports print it; the kind of the probe
  ProbeShape shape;
  void (*change)(Probe&) = nullptr;
};

void add_softcap(Probe& probe) { probe.scoring.softcap = 4; }
void add_window(Probe& probe) { probe.scoring.mask.window_left = 20; }

// The second sequence consists of two documents
void add_document(Probe& probe) {
  for (RowPositions* positions : {&probe.q_positions, &probe.kv_positions}) {
    const RowPositions one = *positions;
    *positions = RowPositions(2, one.length());
    for (Index b = 0; b < 2; ++b)
      for (Index i = 0; i < one.length(); ++i) {
        const auto n = static_cast<std::size_t>(i);
        positions->of(b)[n] = {one.of(0)[n].position, b == 1 && i >= one.length() / 2};
      }
  }
}

const std::vector<SmallCase>& small_cases() {
  static const std::vector<SmallCase> cases{
      {"64 tokens, causal, 4 devices, zigzag",
       "random",
       {.Sq = 64, .dim = 16, .v_dim = 8, .layout = Layout::zigzag, .causal = true}},
      {"64 tokens, causal, 4 devices, striped",
       "random",
       {.Sq = 64, .dim = 16, .layout = Layout::striped, .causal = true}},
      {"64 tokens, 4 devices", "random", {.Sq = 64, .dim = 16}},
      {"64 tokens, window, 4 devices", "window", {.Sq = 64, .dim = 16}},
      {"64 tokens, causal, window, 4 devices", "random", {.Sq = 64, .dim = 16, .causal = true}, add_window},
      {"64 tokens, causal, soft-cap, 4 devices",
       "random",
       {.Sq = 64, .dim = 16, .causal = true},
       add_softcap},
      {"64 tokens in packed documents, causal, 4 devices",
       "documents",
       {.Sq = 64, .dim = 16, .causal = true}},
      {"64 tokens, causal, 3 devices", "random", {.Sq = 64, .dim = 16, .devices = 3, .causal = true}},
      {"2 sequences with different documents, causal, 4 devices",
       "random",
       {.batch = 2, .Sq = 64, .dim = 16, .causal = true},
       add_document},
      {"32 queries and 64 keys, causal, 4 devices",
       "random",
       {.Sq = 32, .Skv = 64, .dim = 16, .causal = true}},
      {"63 tokens, causal, 4 devices", "odd", {.Sq = 64, .dim = 16, .causal = true}},
      {"64 tokens, one query head per K/V head, causal, 4 devices",
       "random",
       {.Sq = 64, .kv_heads = 4, .dim = 16, .causal = true}},
      {"4 tokens and 4 heads, 2 devices", "random", {.Sq = 4, .dim = 16, .devices = 2}},
      {"256 tokens, causal, 4 devices", "random", {.Sq = 256, .dim = 16, .causal = true}},
  };
  return cases;
}

// ---- Text and JSON -------------------------------------------------------------

std::string passes_of(const Mistake& mistake) {
  return mistake.forward ? (mistake.backward ? "forward and backward" : "forward") : "backward";
}

Json head_json(const Mistake& mistake) {
  return {{"id", mistake.id},
          {"family", name(mistake.family)},
          {"title", mistake.title},
          {"wrong", mistake.wrong},
          {"fingerprint", mistake.fingerprint},
          {"why", mistake.why},
          {"fix", mistake.fix},
          {"seen_in", mistake.seen_in},
          {"convention_of", mistake.convention},
          {"forward", static_cast<bool>(mistake.forward)},
          {"backward", static_cast<bool>(mistake.backward)},
          {"probes", probes_for(mistake.id)}};
}

std::string variants_text(const MistakeVariants& available) {
  constexpr std::size_t shown = 16;
  const Variants& variants = available.variants;
  if (variants.empty()) return paragraph("VARIANTS", "none on " + available.case_name);
  if (variants.size() == 1 && variants.front().parameters().empty())
    return paragraph("VARIANTS", "one, without parameters");
  std::string text = paragraph("VARIANTS", fmt::format("{} on {}", variants.size(), available.case_name));
  for (std::size_t n = 0; n < variants.size() && n < shown; ++n)
    text += paragraph("", fmt::format("{}: {}", n, variants[n].describe()));
  if (variants.size() > shown) text += paragraph("", "... (--json - lists all of them)");
  return text;
}

}  // namespace

MistakeVariants example_variants(const Mistake& mistake) {
  for (const SmallCase& each : small_cases()) {
    Probe probe = make_probe(each.probe, each.shape);
    if (each.change) each.change(probe);
    Variants variants = variants_on(mistake, probe.problem(), each.shape.layout, each.shape.devices);
    if (!variants.empty()) return {each.name, std::move(variants)};
  }
  return {"any of the small cases", {}};
}

std::string catalogue_text() {
  std::string text;
  for (const Family family : families) {
    text += fmt::format("{}\n", name(family));
    for (const Mistake& mistake : catalogue())
      if (mistake.family == family) text += paragraph("  " + mistake.id, mistake.title);
    text += "\n";
  }
  return text + fmt::format("{} mistakes; ringattn mistakes ID describes one of them\n", catalogue().size());
}

Json catalogue_json() {
  Json all = Json::array();
  for (const Mistake& mistake : catalogue()) all.push_back(head_json(mistake));
  return {{"mistakes", all}};
}

std::string entry_text(const Mistake& mistake, const MistakeVariants& available) {
  std::string text = paragraph(mistake.id, mistake.title);
  text += paragraph("FAMILY", fmt::format("{}; {}", name(mistake.family), passes_of(mistake)));
  text += paragraph("WRONG", mistake.wrong);
  text += paragraph("SHOWS", mistake.fingerprint);
  text += paragraph("WHY", mistake.why);
  text += paragraph("FIX", mistake.fix);
  if (!mistake.seen_in.empty()) text += paragraph("SEEN IN", mistake.seen_in);
  if (!mistake.convention.empty()) text += paragraph("CONVENTION", "of " + mistake.convention, 11);
  const std::vector<std::string_view> probes = probes_for(mistake.id);
  if (!probes.empty()) text += paragraph("PROBES", fmt::format("{}", fmt::join(probes, ", ")));
  return text + variants_text(available);
}

Json entry_json(const Mistake& mistake, const MistakeVariants& available) {
  Json variants = Json::array();
  for (const Variant& variant : available.variants) {
    Json parameters = Json::object();
    for (const Parameter& parameter : variant.parameters()) parameters[parameter.name] = parameter.text;
    variants.push_back(parameters);
  }
  Json json = head_json(mistake);
  json["readings_on"] = available.case_name;
  json["readings"] = variants;
  return json;
}

}  // namespace ringattn::cli
