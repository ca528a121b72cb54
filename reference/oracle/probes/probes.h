#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/input/owned_problem.h"
#include "reference/definition/layout.h"

namespace ringattn {

// The size of a probe, and the ring on which it is to be run. Skv and v_dim may be left to the probe.
struct ProbeShape {
  Index batch = 1, Sq = 256;
  std::optional<Index> Skv = {};  // default: Sq
  Index heads = 4, kv_heads = 2, dim = 64;
  std::optional<Index> v_dim = {};  // default: dim, or a width that the probe chooses

  int devices = 4;
  Layout layout = Layout::contiguous;
  bool causal = false;
  CausalAlign causal_align = CausalAlign::bottom_right;
  std::uint64_t seed = 0;
};

// An input on which certain mistakes are visible in the result, often without a reference. Every number is exact in
// bf16, f16, tf32, f32 and f64, so one probe serves every dtype: a multiple of 1/16 up to 4 in magnitude, a small
// integer, or a power of two. The softmax scale is the default, because many implementations have no other; large
// scores come from large queries.
struct Probe : OwnedProblem<double> {
  std::string kind;
};

// A row of the table of probes.
struct ProbeKind {
  std::string_view kind;                   // "staircase-up"
  std::string_view shows;                  // what the probe is, and what it makes visible
  std::string_view right_answer;           // the correct result, in closed form if there is one
  std::vector<std::string_view> made_for;  // ids of mistakes in the catalogue
};

// All kinds of probes, in the order of the table
const std::vector<ProbeKind>& probe_kinds();

// The kinds that make a mistake visible; may be empty
std::vector<std::string_view> probes_for(std::string_view mistake_id);

// A small set of probes that covers these mistakes, as far as probes do: a greedy cover, which takes the kind made for
// most of the mistakes, then the kind made for most of the remaining ones, and so on
std::vector<std::string_view> probes_covering(std::set<std::string_view> mistake_ids);

// The probe of a kind and shape; a deterministic function of both. Throws BadInput if there is no such kind, or if the
// shape is invalid or too small for it.
Probe make_probe(std::string_view kind, const ProbeShape& shape);

// The second run of "leak": changes the token of key _key_ in Q, K and V. Every row that is not this token and to which
// it is not visible must keep all its bits.
Probe leak_of(const Probe& probe, Index key);

// The second run of "duplicate": removes every second key. Rows to which only whole pairs are visible keep their out,
// and their lse decreases by ln 2.
Probe without_twins(const Probe& probe);

}  // namespace ringattn
