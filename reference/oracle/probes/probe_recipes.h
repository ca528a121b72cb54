#pragma once

#include "reference/definition/random.h"
#include "reference/oracle/probes/probes.h"

namespace ringattn {

// Chooses what the shape leaves open (Skv is already set). Throws BadInput if the shape is too small for the probe.
using ProbeChoice = void(ProbeShape&);

// Turns the draft, which has random numbers in every tensor, into the probe
using ProbeMaker = void(Probe&, const ProbeShape&, Random&);

// A row of the table, and the functions that make the probe.
struct ProbeRecipe {
  ProbeKind kind;
  ProbeChoice* choose = nullptr;  // nullptr: v_dim is dim
  ProbeMaker* make = nullptr;     // nullptr: the draft is the probe
};

// The table of probes
const std::vector<ProbeRecipe>& probe_recipes();

namespace recipes {

ProbeChoice one_value_element_for_each_key, one_value_element_for_each_query, room_for_two_values,
    room_for_two_needles, odd_lengths, always_causal;

ProbeMaker uniform_one_hot, window, cold, frozen, ones, two_key;
ProbeMaker staircase_up, staircase_down, spike, big_logits, needle;
ProbeMaker head_id, grouped, position_id, duplicate;
ProbeMaker empty_rows, documents;
ProbeMaker identity_grad, lse_grad;

}  // namespace recipes

}  // namespace ringattn
