#include "reference/cli/oracle/vectors_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/definition/attention.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn::cli {

namespace {

// ---- What an implementation must know for a vector ---------------------------

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
    {"Causal", "A key must not stand after its query.", [](const Probe& p) { return p.scoring.mask.causal; }},
    {"Window", "Keys further from the query than the window are hidden; both sides are inclusive.",
     [](const Probe& p) { return p.scoring.mask.window_left >= 0 || p.scoring.mask.window_right >= 0; }},
    {"Documents", "Queries see the keys of their own segment id alone.", has_documents},
    {"Positions", "RowPositions do not stand at consecutive positions.", has_positions},
    {"EmptyRows", "Some queries see no key: out = 0, lse = -inf, dq = 0.", has_empty_rows},
    {"UnequalLengths", "There are fewer or more queries than keys.",
     [](const Probe& p) { return p.Q.shape().S != p.K.shape().S; }},
    {"GroupedHeads", "Query head h reads K/V head h div (query heads / K/V heads).",
     [](const Probe& p) { return p.Q.shape().H != p.K.shape().H; }},
    {"ValueDim", "V has a head dimension of its own.",
     [](const Probe& p) { return p.K.shape().D != p.V.shape().D; }},
    {"SoftmaxScale", "The factor on q.k is another one than 1/sqrt(head_dim of q).",
     [](const Probe& p) { return p.scoring.softmax_scale.has_value(); }},
    {"SoftCap", "Scores become c tanh(score / c) before the mask.",
     [](const Probe& p) { return p.scoring.softcap > 0; }},
    {"LseGradient", "A gradient flows back through lse too, the tensor dlse.",
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
  if (mistake.family == Family::convention) return "LSE";  // of nobody
  std::string type = name(mistake.family);
  for (char& c : type) c = c == ' ' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return type;
}

// "owner/repository#number" and "owner/repository@commit" as addresses; anything else as it is
Json links(const std::string& evidence) {
  Json result = Json::array();
  for (std::size_t begin = 0; begin < evidence.size();) {
    const std::size_t end = std::min(evidence.find(", ", begin), evidence.size());
    const std::string place = evidence.substr(begin, end - begin);
    begin = end + 2;
    const std::size_t mark = place.find_first_of("#@");
    const bool known = mark != std::string::npos && place.find('/') < mark;
    if (known)
      result.push_back(fmt::format("https://github.com/{}/{}/{}", place.substr(0, mark),
                                   place[mark] == '#' ? "issues" : "commit", place.substr(mark + 1)));
    else if (!place.empty())
      result.push_back(place);
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

Json notes(const Json& tests) {
  std::set<std::string> wanted;
  for (const Json& test : tests)
    for (const char* list : {"flags", "kills"})
      for (const Json& id : test[list]) wanted.insert(id);
  Json json = Json::object();
  for (const Flag& flag : flags)
    if (wanted.count(flag.name))
      json[flag.name] = {{"bugType", "FEATURE"}, {"description", flag.description}};
  for (const Mistake& mistake : catalogue())
    if (wanted.count(mistake.id)) json[mistake.id] = note(mistake);
  return json;
}

Json header() {
  return {
      "Made by `ringattn vectors write`; not to be edited.",
      "The tensors lie in the safetensors file of the same name. q k v dout dlse are bf16, and exact in "
      "bf16, "
      "f16, tf32, f32 and f64; positions and segment ids are i64; expected results are f64; allowances are "
      "f32.",
      "Axes are (batch, sequence, heads, head_dim); lse is (batch, heads, sequence), dlse likewise, the "
      "natural logarithm of sum exp(score).",
      "Query i stands at position i + (keys - queries) where causal_align is bottom-right, and at i where it "
      "is top-left; key j at j; unless q_positions or kv_positions say otherwise. window is [before, after] "
      "the query, inclusive; -1 is unlimited.",
      "A result X is right where |X - expected| <= allowance, element by element, of the type that your "
      "matrix products take and your results are stored in; up to 4 allowances it lacks precision only. "
      "Where the allowance is 0, X must be equal.",
      "Right results do not depend on devices and layout; they say on which ring the mistakes in kills are "
      "made.",
      "kills is computed: whoever makes that mistake of the catalogue (`ringattn mistakes ID`), in whichever "
      "of its readings that changes anything, is more than 5 allowances of bf16 away in out, lse, dq, dk or "
      "dv.",
  };
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
