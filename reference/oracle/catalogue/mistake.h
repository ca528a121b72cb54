#pragma once

#include <functional>
#include <string>

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/catalogue/variant.h"
#include "reference/oracle/catalogue/simulation.h"

namespace ringattn {

class BackwardSimulation;
class AlteredProblem;

// Where a mistaken program computes the right attention of a wrong problem: that problem
using ProblemAlteration = std::function<AlteredProblem(const Problem<double>&, const Sharding&, const Variant&)>;

enum class Family { convention, scale, mask, online_softmax, merge, ring, layout, heads, operands, backward };

// One entry of the catalogue: a mistake that people make in attention on a ring, with the code that makes it
// on purpose. Two entries whose results are the same on every input are twins and are reported together.
struct Mistake {
  std::string id;  // "O1"
  Family family = {};
  std::string title;        // "the accumulator is not rescaled when the maximum grows"
  std::string wrong;        // the wrong formula
  std::string fingerprint;  // what one sees in the result
  std::string why;          // what it does to the result
  std::string fix;
  // Where it happened, "owner/repository#number" or "owner/repository@commit"; may be empty
  std::string seen_in = {};

  // Who does the same on purpose; empty where nobody does. Then it is another convention, not a mistake.
  std::string convention = {};

  // The variants that make sense for a case; none where the case cannot have the mistake
  std::function<Variants(const Simulation&)> variants;

  // If it is a mistake of that sort, the code that makes it; forward and backward follow from it
  ProblemAlteration alteration = {};

  // out and lse of the simulated rows; empty where the forward is right
  std::function<AttentionOutput<double>(const Simulation&, const Variant&)> forward = {};

  // dq, dk and dv of all rows; empty where the mistake is one of the forward alone
  std::function<Gradients<double>(const BackwardSimulation&, const Variant&)> backward = {};
};

// The variants of a mistake without parameters: on every case, or where there are several heads
inline Variants always(const Simulation&) { return single_variant(); }
inline Variants several_heads(const Simulation& sim) { return only_if(sim.problem().Q.shape.H > 1, single_variant()); }

// Whether several query heads share a K/V head
inline bool grouped(const Simulation& sim) { return sim.problem().query_heads_per_kv_head() > 1; }

// "scale", "mask", "online softmax", ...
const char* name(Family family);

}  // namespace ringattn
