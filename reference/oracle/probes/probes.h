#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/layout.h"
#include "reference/definition/owned_problem.h"

namespace ringattn {

// How large a probe is, and the ring it is meant for. A probe may choose what is left open, and says so.
struct ProbeShape {
  Index batch = 1, Sq = 256;
  std::optional<Index> Skv = {};  // default: Sq
  Index heads = 4, kv_heads = 2, dim = 64;
  std::optional<Index> v_dim = {};  // default: dim, or what the probe reads best with

  int devices = 4;
  Layout layout = Layout::contiguous;
  bool causal = false;
  CausalAlign causal_align = CausalAlign::bottom_right;
  std::uint64_t seed = 0;
};

// An input on which certain mistakes cannot hide, together with the tensors it consists of. It must outlive
// the views it gives. Every number is the same in bf16, f16, tf32, f32 and f64, so one probe serves every
// dtype: a multiple of 1/16 up to 4 in magnitude, a small integer, or a power of two. The softmax scale is
// the default one, since many implementations know no other; large scores come from large queries.
struct Probe : OwnedProblem<double> {
  std::string kind;
};

// A row of the table of probes.
struct ProbeKind {
  std::string_view kind;                   // "staircase-up"
  std::string_view shows;                  // what the probe is, and what it brings to light
  std::string_view right_answer;           // how a right result reads, in closed form where there is one
  std::vector<std::string_view> made_for;  // ids of the catalogue of mistakes
};

// Every probe we know
const std::vector<ProbeKind>& probe_kinds();

// The probes made for the mistake of that id; may be none
std::vector<std::string_view> probes_for(std::string_view mistake_id);

// A few probes that were made for as many of the mistakes as any are: the one made for most of them, then the
// one made for most of the rest
std::vector<std::string_view> probes_covering(std::set<std::string_view> mistake_ids);

// The same probe for the same kind and shape, always. Throws BadInput where there is no such kind, or where
// the shape is none or too poor for it.
Probe make_probe(std::string_view kind, const ProbeShape& shape);

// The second run of "leak": the token of key _key_ becomes another one, in Q, K and V. Every row that is not
// this token itself and does not see it must stay as it was, to the last bit.
Probe leak_of(const Probe& probe, Index key);

// The second run of "duplicate": every second key goes. The rows that saw whole pairs read what they read
// before, and their lse is less by ln 2.
Probe without_twins(const Probe& probe);

}  // namespace ringattn
