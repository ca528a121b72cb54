#pragma once

#include <functional>
#include <string>

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/catalogue/simulation.h"
#include "reference/oracle/catalogue/variant.h"

namespace ringattn {

class BackwardSimulation;
class AlteredProblem;

// The wrong problem of which a mistaken program computes the correct attention
using ProblemAlteration =
    std::function<AlteredProblem(const Problem<double>&, const Sharding&, const Variant&)>;

enum class Family {
  convention,
  scale,
  mask,
  online_softmax,
  merge,
  ring,
  layout,
  heads,
  operands,
  backward,
  strategies
};

// One entry of the catalogue: a known mistake in implementations of ring attention, with the code that simulates it.
// Two entries with the same results on every input are twins and are reported together.
struct Mistake {
  std::string id;  // "O1"
  Family family = {};
  std::string title;        // "the accumulator is not rescaled when the maximum grows"
  std::string wrong;        // the formula of the mistaken program
  std::string fingerprint;  // how the result looks
  std::string why;          // why the result looks like this
  std::string fix;          // how to correct the program

  // A project in which it occurred, "owner/repository#number" or "owner/repository@commit"; may be empty
  std::string seen_in = {};

  // The libraries that do this on purpose. Not empty: a difference of convention and not a mistake
  std::string convention = {};

  // Whether a variant is what those libraries do; empty: every variant is
  std::function<bool(const Variant&)> is_conventional = {};

  // The variants that are possible in a case; none if the case cannot contain the mistake
  std::function<Variants(const Simulation&)> variants;

  // The wrong problem, if the mistake is one; forward and backward are derived from it
  ProblemAlteration alteration = {};

  // out and lse of the simulated rows; empty if the forward is correct
  std::function<AttentionOutput<double>(const Simulation&, const Variant&)> forward = {};

  // dq, dk and dv of all rows; empty if the mistake concerns the forward only
  std::function<Gradients<double>(const BackwardSimulation&, const Variant&)> backward = {};
};

// The variants of a mistake without parameters: in every case, or in cases of several query heads
inline Variants always(const Simulation&) { return single_variant(); }
inline Variants several_heads(const Simulation& sim) {
  return only_if(sim.problem().Q.shape.H > 1, single_variant());
}

// Whether several query heads share a K/V head
inline bool grouped(const Simulation& sim) { return sim.problem().query_heads_per_kv_head() > 1; }

// "scale", "mask", "online softmax", ...
const char* name(Family family);

}  // namespace ringattn
