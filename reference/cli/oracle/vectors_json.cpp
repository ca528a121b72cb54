#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/cli/oracle/vectors.h"
#include "reference/definition/attention.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn::cli {

namespace {

// ---- Features that an implementation needs for a vector -----------------------

bool has_documents(const Probe& probe) {
  for (const RowPositions* positions : {&probe.q_positions, &probe.kv_positions})
    for (Index b = 0; b < positions->sequences(); ++b)
      for (const RowPosition& row_position : positions->of(b))
        if (row_position.segment != probe.q_positions.of(0)[0].segment) return true;
  return false;
}

bool has_positions(const Probe& probe) {
  for (const RowPositions* positions : {&probe.q_positions, &probe.kv_positions})
    for (Index b = 0; b < positions->sequences(); ++b)
      for (std::size_t n = 1; n < positions->of(b).size(); ++n)
        if (positions->of(b)[n].position != positions->of(b)[n - 1].position + 1) return true;
  return false;
}

bool has_empty_rows(const Probe& probe) {
  const Tensor<double> lse = attention(probe.problem()).lse;
  return std::any_of(lse.data(), lse.data() + lse.size(), [](double x) { return std::isinf(x); });
}

struct Flag {
  const char *name, *description;
  bool (*set)(const Probe&);
};

constexpr Flag flags[] = {
    {"Causal", "Keys after the query are masked.", [](const Probe& p) { return p.scoring.mask.causal; }},
    {"Window", "Keys outside the window around the query are masked; both ends are inclusive.",
     [](const Probe& p) { return p.scoring.mask.window_left >= 0 || p.scoring.mask.window_right >= 0; }},
    {"Documents", "Queries attend only to keys of the same segment id.", has_documents},
    {"Positions", "Rows do not have consecutive positions.", has_positions},
    {"EmptyRows", "Some queries attend to no key: out = 0, lse = -inf, dq = 0.", has_empty_rows},
    {"UnequalLengths", "The numbers of queries and keys differ.",
     [](const Probe& p) { return p.Q.shape().S != p.K.shape().S; }},
    {"GroupedHeads", "Query head h uses K/V head h div (query heads / K/V heads).",
     [](const Probe& p) { return p.Q.shape().H != p.K.shape().H; }},
    {"ValueDim", "The head dimension of V differs from that of Q and K.",
     [](const Probe& p) { return p.K.shape().D != p.V.shape().D; }},
    {"SoftmaxScale", "The factor on q.k differs from 1/sqrt(head_dim of q).",
     [](const Probe& p) { return p.scoring.softmax_scale.has_value(); }},
    {"SoftCap", "Scores become c tanh(score / c) before the mask is applied.",
     [](const Probe& p) { return p.scoring.softcap > 0; }},
    {"LseGradient", "The loss also depends on lse, with the gradient dlse.",
     [](const Probe& p) { return p.dlse.size() > 0; }},
};

Json params(const GoldenVector& v) {
  const Scoring& scoring = v.probe.scoring;
  return {{"causal", scoring.mask.causal},
          {"causal_align", v.causal_align == CausalAlign::top_left ? "top-left" : "bottom-right"},
          {"window", {scoring.mask.window_left, scoring.mask.window_right}},
          {"softmax_scale", scoring.scale(v.probe.Q.shape().D)},
          {"softcap", scoring.softcap},
          {"devices", v.devices},
          {"layout", name(v.layout)}};
}

// ---- Notes -------------------------------------------------------------------

std::string bug_type(const Mistake& mistake) {
  if (!mistake.convention.empty()) return "CONVENTION";
  if (mistake.family == Family::convention) return "LSE";  // a convention that no library follows
  std::string type = name(mistake.family);
  for (char& c : type) c = c == ' ' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return type;
}

// "owner/repository#number" and "owner/repository@commit" become URLs; anything else stays as it is
Json links(const std::string& evidence) {
  Json result = Json::array();
  for (std::size_t begin = 0; begin < evidence.size();) {
    const std::size_t end = std::min(evidence.find(", ", begin), evidence.size());
    const std::string reference = evidence.substr(begin, end - begin);
    begin = end + 2;
    const std::size_t mark = reference.find_first_of("#@");
    const bool known = mark != std::string::npos && reference.find('/') < mark;
    if (known)
      result.push_back(fmt::format("https://github.com/{}/{}/{}", reference.substr(0, mark),
                                   reference[mark] == '#' ? "issues" : "commit", reference.substr(mark + 1)));
    else if (!reference.empty())
      result.push_back(reference);
  }
  return result;
}

Json note(const Mistake& mistake) {
  Json json{{"bugType", bug_type(mistake)},
            {"description", mistake.title},
            {"effect", mistake.why},
            {"links", links(mistake.seen_in)}};
  if (!mistake.convention.empty()) json["result"] = "acceptable", json["conventionOf"] = mistake.convention;
  return json;
}

// A note on each flag and mistake that the tests mention
Json notes(const Json& tests) {
  std::set<std::string> mentioned;
  for (const Json& test : tests)
    for (const char* list : {"flags", "kills"})
      for (const Json& id : test[list]) mentioned.insert(id);
  Json json = Json::object();
  for (const Flag& flag : flags)
    if (mentioned.count(flag.name))
      json[flag.name] = {{"bugType", "FEATURE"}, {"description", flag.description}};
  for (const Mistake& mistake : catalogue())
    if (mentioned.count(mistake.id)) json[mistake.id] = note(mistake);
  return json;
}

Json header() {
  static constexpr const char* sentences[] = {
      "Generated by `ringattn vectors write`; do not edit.",
      "The tensors are in the safetensors file of the same name. q k v dout dlse are bf16, and exact in "
      "bf16, f16, tf32, f32 and f64; positions and segment ids are i64; expected results are f64; "
      "allowances are f32.",
      "Axes are (batch, sequence, heads, head_dim); lse and dlse are (batch, heads, sequence); lse is "
      "the natural logarithm of sum exp(score).",
      "Query i has position i + (keys - queries) if causal_align is bottom-right, and i if it is "
      "top-left; key j has position j; q_positions and kv_positions override both. window is [before, "
      "after] the query, inclusive; -1 is unlimited.",
      "\"allowance\" holds the tolerance of each element, for the type of your matrix products and "
      "stored results. A result X is right if |X - expected| <= tolerance for every element; up to 4 "
      "tolerances it only lacks precision. Where the tolerance is 0, X must be equal.",
      "Right results do not depend on devices and layout; these say on which ring the mistakes in kills "
      "are made.",
      "kills is computed: it lists the mistakes of the catalogue (`ringattn mistakes ID`) that this "
      "vector detects. Every variant of such a mistake that changes anything differs by more than 5 bf16 "
      "tolerances in out, lse, dq, dk or dv.",
  };
  return sentences;
}

}  // namespace

Json test_json(const GoldenVector& vector, Index number, const TensorNames& tensors,
               const std::vector<std::string>& kills) {
  Json set = Json::array();
  for (const Flag& flag : flags)
    if (flag.set(vector.probe)) set.push_back(flag.name);
  return {{"tcId", number},
          {"id", vector.id},
          {"comment", vector.comment},
          {"flags", set},
          {"params", params(vector)},
          {"tensors", tensors.inputs},
          {"expected", tensors.expected},
          {"allowance", tensors.tolerances},
          {"result", "valid"},
          {"kills", kills}};
}

Json vectors_json(VectorSize size, const Json& tests) {
  const Json group{{"type", name(size)}, {"tests", tests}};
  return {{"algorithm", "attention"},
          {"schema", "ringattn-vectors-1"},
          {"generatorVersion", RINGATTN_VERSION},
          {"numberOfTests", tests.size()},
          {"header", header()},
          {"notes", notes(tests)},
          {"testGroups", Json::array({group})}};
}

}  // namespace ringattn::cli
