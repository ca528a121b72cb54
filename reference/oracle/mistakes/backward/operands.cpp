// Mistakes that use the correct dS and P with a wrong factor or a wrong operand.

#include <algorithm>
#include <cmath>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

// ---- Factors ----

Gradients<double> multiplied(const BackwardSimulation& sim, const Variant& touched, double factor) {
  Gradients<double> changed = sim.gradients();
  for (Tensor<double>* gradient : {&changed.dq, &changed.dk, &changed.dv})
    for (Index n = 0; n < gradient->size(); ++n) gradient->data()[n] *= factor;
  return with_touched(touched, changed, sim.gradients());
}

enum Times : Index { never, twice };

Gradients<double> scale_missing_or_twice(const BackwardSimulation& sim, const Variant& variant) {
  return multiplied(sim, variant, variant["scale"] == never ? 1 / sim.scale() : sim.scale());
}

Gradients<double> scale_of_exp2(const BackwardSimulation& sim, const Variant& variant) {
  const double ln2 = std::log(2.0);
  return multiplied(sim, variant, variant["factor"] == 0 ? 1 / ln2 : ln2);
}

Gradients<double> divided(const BackwardSimulation& sim, const Variant& variant) {
  return multiplied(sim, variant, 1 / static_cast<double>(variant["by"]));
}

Gradients<double> times(const BackwardSimulation& sim, const Variant& variant) {
  return multiplied(sim, variant, static_cast<double>(variant["by"]));
}

// ---- Operands ----

Gradients<double> dk_and_dv_swapped(const BackwardSimulation& sim, const Variant&) {
  Gradients<double> gradients = sim.gradients();
  std::swap(gradients.dk, gradients.dv);
  return gradients;
}

Gradients<double> dq_and_dk_swapped(const BackwardSimulation& sim, const Variant&) {
  Gradients<double> gradients = sim.gradients();
  std::swap(gradients.dq, gradients.dk);
  return gradients;
}

Gradients<double> dv_from_dS(const BackwardSimulation& sim, const Variant& variant) {
  const double factor = variant["weights"] == 0 ? 1 : sim.scale();
  return sim.run([&](const BackwardHead& head, PairWeights& weights) { weights.for_dv = factor * head.dS; });
}

// dP = rowsum(V)^T, delta = rowsum(O), dV = colsum(P)^T
Gradients<double> dO_is_one(const BackwardSimulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  Tensor<double> dV(problem.V.shape);
  Gradients<double> changed = sim.run([&](const BackwardHead& head, PairWeights& weights) {
    const Index b = head.b, h = head.h, g = problem.kv_head(h);
    const Vector<double> row_term = head.dlse - Vector<double>(sim.forward().out.head(b, h).rowwise().sum());
    Matrix<double> dS = problem.V.head(b, g).rowwise().sum().transpose().replicate(row_term.size(), 1);
    dS.colwise() += row_term;
    weights.for_dq = weights.for_dk = dS.cwiseProduct(head.P).cwiseProduct(head.slope);
    dV.head(b, g).colwise() += Vector<double>(head.P.colwise().sum());
  });
  changed.dv = dV;
  return with_touched(variant, changed, sim.gradients());
}

Gradients<double> own_operands(const BackwardSimulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  Gradients<double> changed{Tensor<double>(problem.Q.shape), Tensor<double>(problem.K.shape), {}};
  for (const BackwardHead& head : sim.heads()) {
    const Index g = problem.kv_head(head.h);
    changed.dq.head(head.b, head.h) = sim.scale() * (head.dS * problem.Q.head(head.b, head.h));
    changed.dk.head(head.b, g) += sim.scale() * (head.dS.transpose() * problem.K.head(head.b, g));
  }
  return with_touched(variant, changed, sim.gradients());
}

Gradients<double> score_gradients_transposed(const BackwardSimulation& sim, const Variant& variant) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    take_touched(variant, {head.dS.transpose(), head.dS.transpose(), head.P.transpose()}, weights);
  });
}

// ---- Variants ----

bool is_square(const Simulation& sim) { return sim.problem().Q.shape.S == sim.problem().K.shape.S; }

Variants scales(const Simulation& sim, Touched touched, std::initializer_list<Times> times_applied) {
  Variants variants;
  for (const Times each : times_applied)
    variants.push_back(Variant({"scale", each, each == never ? "missing" : "applied twice"}));
  return only_if(sim.problem().scoring.scale(sim.problem().Q.shape.D) != 0,
                 variants * each_touched({touched}));
}

// The factors 2, the number of devices and, if _group_, the group size, without duplicates
Variants each_factor(const Simulation& sim, bool group) {
  const Index devices = sim.devices(), heads = sim.problem().query_heads_per_kv_head();
  Variants variants{Variant({"by", 2, "2"})};
  if (devices > 2)
    variants.push_back(Variant({"by", devices, std::to_string(devices) + ", the number of devices"}));
  if (group && heads > 2 && heads != devices)
    variants.push_back(Variant({"by", heads, std::to_string(heads) + ", the group size"}));
  return variants * each_touched({dk_dv, dq_dk_dv, dq_only});
}

}  // namespace

std::vector<Mistake> operand_backward_mistakes() {
  return {
      {.id = "G9",
       .family = Family::backward,
       .title = "dQ lacks the scale, or has it twice",
       .wrong = "dQ = dS K",
       .fingerprint = "dq is wrong by one constant factor; dk and dv are right",
       .why = "The score is scale q k, so the chain rule gives the scale exactly once.",
       .fix = "Use dQ = scale dS K.",
       .variants =
           [](const Simulation& sim) {
             return scales(sim, dq_only, {never, twice});
           },
       .backward = scale_missing_or_twice},
      {.id = "G10",
       .family = Family::backward,
       .title = "dK lacks the scale, or has it twice",
       .wrong = "dK = dS^T Q",
       .fingerprint = "dk is wrong by one constant factor; dq and dv are right",
       .why = "The score is scale q k, so the chain rule gives the scale exactly once.",
       .fix = "Use dK = scale dS^T Q.",
       .variants =
           [](const Simulation& sim) {
             return scales(sim, dk_only, {never, twice});
           },
       .backward = scale_missing_or_twice},
      {.id = "G11",
       .family = Family::backward,
       .title = "the scale is missing from dQ and dK",
       .wrong = "dQ = dS K, dK = dS^T Q",
       .fingerprint =
           "dq and dk are too large by the factor 1 / scale, dv is right; all four conservation laws hold",
       .why = "The derivative with respect to the score is used as the derivative with respect to q k.",
       .fix = "Use dQ = scale dS K and dK = scale dS^T Q.",
       .variants = [](const Simulation& sim) { return scales(sim, dq_dk, {never}); },
       .backward = scale_missing_or_twice},
      {.id = "G12",
       .family = Family::backward,
       .title = "the scale is applied twice to dQ and dK",
       .wrong = "dQ = scale^2 dS K, dK = scale^2 dS^T Q",
       .fingerprint =
           "dq and dk are too small by the factor scale, dv is right; all four conservation laws hold",
       .why = "dS or Q already includes the scale, and it is multiplied in again.",
       .fix = "Multiply by the scale once.",
       .variants = [](const Simulation& sim) { return scales(sim, dq_dk, {twice}); },
       .backward = scale_missing_or_twice},
      {.id = "G20",
       .family = Family::backward,
       .title = "gradients are divided by the number of devices",
       .wrong = "dK / P, dV / P",
       .fingerprint = "right except for the constant factor 1 / P",
       .why = "Gradients of the parts of one sequence must be summed; only gradients of model replicas are "
              "averaged.",
       .fix = "Sum over the devices.",
       .seen_in = "NVIDIA/Megatron-LM#673",
       .variants = [](const Simulation& sim) { return only_if(sim.devices() > 1, each_factor(sim, false)); },
       .backward = divided},
      {.id = "G21",
       .family = Family::backward,
       .title = "gradients are multiplied by the number of devices",
       .wrong = "P dK, P dV",
       .fingerprint = "right except for the constant factor P",
       .why = "A factor that compensates an average is applied without one, or several devices add the same "
              "sum.",
       .fix = "Add each contribution once.",
       .seen_in = "NVIDIA/Megatron-LM#906",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1 || grouped(sim), each_factor(sim, true));
           },
       .backward = times},
      {.id = "G22",
       .family = Family::backward,
       .title = "dK and dV are exchanged",
       .wrong = "returned (dq, dv, dk)",
       .fingerprint = "dk is the right dv, and dv the right dk",
       .why = "The results are returned in a different order from the one in which they are read.",
       .fix = "Return (dq, dk, dv).",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.problem().Q.shape.D == sim.problem().V.shape.D, single_variant());
           },
       .backward = dk_and_dv_swapped},
      {.id = "G23",
       .family = Family::backward,
       .title = "dV is computed from dS instead of P",
       .wrong = "dV = dS^T dO",
       .fingerprint = "dv is wrong, dq and dk are right",
       .why = "O = P V, so the derivative with respect to V is P.",
       .fix = "Use dV = P^T dO.",
       .variants =
           [](const Simulation&) {
             return each_named("weights", {"dS", "scale dS"});
           },
       .backward = dv_from_dS},
      {.id = "G24",
       .family = Family::backward,
       .title = "dO is ignored",
       .wrong = "dO = 1",
       .fingerprint = "the result does not depend on dO",
       .why = "The backward of sum(O) is computed instead of that of the loss.",
       .fix = "Use the dO that is passed in.",
       .variants =
           [](const Simulation&) {
             return each_touched({dq_dk_dv, dq_dk, dv_only});
           },
       .backward = dO_is_one},
      {.id = "G49",
       .family = Family::backward,
       .title = "dQ and dK include the factor of exp2",
       .wrong = "dQ = scale log2(e) dS K",
       .fingerprint = "dq and dk are wrong by the factor 1.4427 or 0.6931, dv is right",
       .why = "The scale for exp2 includes log2(e), which belongs to P but not to the score.",
       .fix = "Use the plain scale for dQ and dK.",
       .variants =
           [](const Simulation&) {
             return each_named("factor", {"log2 e", "ln 2"}) * each_touched({dq_dk, dq_only, dk_only});
           },
       .backward = scale_of_exp2},
      {.id = "G50",
       .family = Family::backward,
       .title = "dQ and dK are exchanged",
       .wrong = "returned (dk, dq, dv)",
       .fingerprint = "dq is the right dk, and dk the right dq",
       .why = "The results are returned in a different order from the one in which they are read.",
       .fix = "Return (dq, dk, dv).",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.problem().Q.shape == sim.problem().K.shape, single_variant());
           },
       .backward = dq_and_dk_swapped},
      {.id = "G51",
       .family = Family::backward,
       .title = "dQ is computed from Q, or dK from K",
       .wrong = "dQ = scale dS Q, dK = scale dS^T K",
       .fingerprint = "dq or dk is wrong everywhere, dv is right",
       .why = "The derivative of q k with respect to q is k, and with respect to k it is q.",
       .fix = "Use dQ = scale dS K and dK = scale dS^T Q.",
       .variants =
           [](const Simulation& sim) {
             return only_if(is_square(sim), each_touched({dq_dk, dq_only, dk_only}));
           },
       .backward = own_operands},
      {.id = "G52",
       .family = Family::backward,
       .title = "a transpose is missing, or one is too many",
       .wrong = "dV = P dO, dK = scale dS Q, dQ = scale dS^T K",
       .fingerprint = "wrong everywhere; with a causal mask the first queries get gradients from late keys",
       .why = "dK and dV sum over queries, dQ sums over keys.",
       .fix = "Use dQ = scale dS K, dK = scale dS^T Q, dV = P^T dO.",
       .variants =
           [](const Simulation& sim) {
             return only_if(is_square(sim), each_touched({dv_only, dk_only, dk_dv, dq_only}));
           },
       .backward = score_gradients_transposed},
  };
}

}  // namespace ringattn
