// Mistakes of the all-to-all of Ulysses, which exchanges heads for rows, and of its inverse.

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/moved_results.h"
#include "reference/oracle/catalogue/row_orders.h"
#include "reference/oracle/mistakes/backward/rules.h"
#include "reference/oracle/mistakes/strategies/device_groups.h"

namespace ringattn {

namespace {

Variants each_moved_result() { return each_named("moved", {"out", "out and lse"}); }

MovedResults moved_results(const Variant& variant) { return static_cast<MovedResults>(variant["moved"]); }

// A mistake that moves right results; source(rows, heads, variant) is the place that they come from
using SourceRule = ResultSource (*)(const RowSharding& rows, Index heads, const Variant&);

template <SourceRule rule>
AttentionOutput<double> moved_forward(const Simulation& sim, const Variant& variant) {
  return with_moved_results(AlteredProblem(sim.problem()), sim,
                            rule(sim.sharding().queries, sim.problem().Q.shape.H, variant),
                            moved_results(variant));
}

template <SourceRule rule>
Gradients<double> moved_backward(const BackwardSimulation& sim, const Variant& variant) {
  return gradients_of_moved_results(AlteredProblem(sim.problem()), sim,
                                    rule(sim.sharding().queries, sim.problem().Q.shape.H, variant),
                                    moved_results(variant));
}

// ---- The heads of the result in the wrong order --------------------------------

// With n heads on each of P devices, head p n + l of the result is head l of device p
enum HeadOrder : Index { device_last, device_first, next_devices_first, previous_devices_first };

// The devices do not divide the K/V heads if these are replicated; their order is right then
ResultSource in_wrong_order(const RowSharding& rows, Index heads, const Variant& variant) {
  const Index P = rows.devices(), n = heads % P == 0 ? heads / P : 0, order = variant["order"];
  return [&rows, P, n, order](const RowPlace& p) {
    if (n == 0) return p;
    const Index r = rows.device_of(p.s), device = p.h / n, l = p.h % n;
    switch (order) {
      case device_last:
        return RowPlace{p.b, p.s, p.h % P * n + p.h / P};
      case device_first:
        return RowPlace{p.b, p.s, p.h % n * P + p.h / n};
      case next_devices_first:
        return RowPlace{p.b, p.s, (r + device) % P * n + l};
      default:
        return RowPlace{p.b, p.s, (r - device + P) % P * n + l};
    }
  };
}

// Those that differ from the right order, and from each other
Variants each_wrong_order(const Simulation& sim) {
  if (!exchanges_heads(sim)) return {};
  const Index P = sim.devices(), n = heads_of_device(sim.sharding(), sim.problem().Q.shape.H);
  Variants orders;
  if (n > 1) orders.push_back(Variant({"order", device_last, "head l P + p is head l of device p"}));
  if (n > 1 && n != P)
    orders.push_back(Variant({"order", device_first, "head p n + l is head p of device l, modulo P"}));
  orders.push_back(
      Variant({"order", next_devices_first, "own heads first, then those of r + 1, r + 2, ..."}));
  if (P > 2)
    orders.push_back(
        Variant({"order", previous_devices_first, "own heads first, then those of r - 1, r - 2, ..."}));
  return orders;
}

Variants each_wrong_result_order(const Simulation& sim) {
  return each_wrong_order(sim) * each_moved_result();
}

Gradients<double> gradients_in_wrong_order(const BackwardSimulation& sim, const Variant& variant) {
  const Gradients<double>& right = sim.gradients();
  const auto moved = [&](const Tensor<double>& gradient, const RowSharding& rows) {
    return with_moved_rows(gradient, in_wrong_order(rows, gradient.shape().H, variant));
  };
  const Sharding& sharding = sim.sharding();
  return with_touched(
      variant,
      {moved(right.dq, sharding.queries), moved(right.dk, sharding.keys), moved(right.dv, sharding.keys)},
      right);
}

// ---- Rows and heads exchanged ---------------------------------------------------

// Device r has received P pieces of (rows, n heads), and reads them as (rows, P n heads)
ResultSource pieces_not_transposed(const RowSharding& rows, Index heads) {
  return [&rows, heads](const RowPlace& p) {
    const std::vector<Index>& own = rows.rows_of(rows.device_of(p.s));
    const Index n = heads / rows.devices(), L = static_cast<Index>(own.size());
    const Index at = rows.place_of(p.s) * heads + p.h;
    return RowPlace{p.b, own[static_cast<std::size_t>(at / n % L)], at / (L * n) * n + at % n};
  };
}

// Device r still has (all rows, n heads), and reads them as (rows, P n heads)
ResultSource never_exchanged(const RowSharding& rows, Index heads) {
  return [&rows, heads, order = shard_order(rows)](const RowPlace& p) {
    const Index n = heads / rows.devices(), at = rows.place_of(p.s) * heads + p.h;
    return RowPlace{p.b, order[static_cast<std::size_t>(at / n)], rows.device_of(p.s) * n + at % n};
  };
}

ResultSource rows_read_as_heads(const RowSharding& rows, Index heads, const Variant& variant) {
  return variant["inverse"] == 0 ? pieces_not_transposed(rows, heads) : never_exchanged(rows, heads);
}

bool equal_shards(const RowSharding& rows) {
  for (int device = 1; device < rows.devices(); ++device)
    if (rows.rows_of(device).size() != rows.rows_of(0).size()) return false;
  return true;
}

Variants each_wrong_inverse(const Simulation& sim) {
  if (!exchanges_heads(sim)) return {};
  return (equal_shards(sim.sharding().queries)
              ? each_named("inverse", {"exchanged but not transposed", "missing"})
              : each_named("inverse", {"exchanged but not transposed"})) *
         each_moved_result();
}

// Device r cuts its (rows, P n heads) into P pieces without a transpose, and each is read as (rows, n heads)
AlteredProblem operands_not_transposed(const Problem<double>& problem, const Sharding& sharding,
                                       const Variant&) {
  const auto source = [](const RowSharding& rows, Index heads) {
    return [&rows, heads](const RowPlace& p) {
      const std::vector<Index>& own = rows.rows_of(rows.device_of(p.s));
      const Index n = heads / rows.devices(), L = static_cast<Index>(own.size());
      const Index at = p.h / n * L * n + rows.place_of(p.s) * n + p.h % n;
      return RowPlace{p.b, own[static_cast<std::size_t>(at / heads)], at % heads};
    };
  };
  const Index kv_heads = problem.K.shape.H;
  AlteredProblem wrong(problem);
  wrong.gather_rows(Operand::q, source(sharding.queries, problem.Q.shape.H));
  wrong.gather_rows(Operand::k, source(sharding.keys, kv_heads));
  wrong.gather_rows(Operand::v, source(sharding.keys, kv_heads));
  return wrong;
}

Variants where_kv_heads_divide(const Simulation& sim) {
  return only_if(exchanges_heads(sim) && heads_of_device(sim.sharding(), sim.problem().K.shape.H) > 0,
                 single_variant());
}

// ---- Sequences of the batch mixed -------------------------------------------------

// Received rows are in the order (device, sequence, row), and are read in the order (sequence, device, row)
struct BatchOrders {
  std::vector<RowPlace> received, read;

  BatchOrders(const RowSharding& rows, Index sequences) {
    for (int device = 0; device < rows.devices(); ++device)
      for (Index b = 0; b < sequences; ++b)
        for (const Index row : rows.rows_of(device)) received.push_back({b, row, 0});
    for (Index b = 0; b < sequences; ++b)
      for (const Index row : shard_order(rows)) read.push_back({b, row, 0});
  }
};

// The source of a row if rows at the places _to_ come from the places _from_
ResultSource map_between(const std::vector<RowPlace>& to, const std::vector<RowPlace>& from, Index S) {
  std::vector<RowPlace> sources(to.size());
  for (std::size_t n = 0; n < to.size(); ++n)
    sources[static_cast<std::size_t>(to[n].b * S + to[n].s)] = from[n];
  return [sources, S](const RowPlace& p) {
    const RowPlace& source = sources[static_cast<std::size_t>(p.b * S + p.s)];
    return RowPlace{source.b, source.s, p.h};
  };
}

enum BatchRead : Index { everything_misread, operands_misread, out_misread };

AlteredProblem with_batch_misread(const Problem<double>& problem, const Sharding& sharding,
                                  const Variant& variant) {
  AlteredProblem wrong(problem);
  if (variant["misread"] == out_misread) return wrong;
  const auto misread = [&](Operand operand, const RowSharding& rows, Index S) {
    const BatchOrders orders(rows, problem.Q.shape.B);
    wrong.gather_rows(operand, map_between(orders.read, orders.received, S));
  };
  misread(Operand::q, sharding.queries, problem.Q.shape.S);
  misread(Operand::k, sharding.keys, problem.K.shape.S);
  misread(Operand::v, sharding.keys, problem.K.shape.S);
  return wrong;
}

// The place that out comes from: with everything misread, the place at which its query was read
ResultSource batch_source(const Problem<double>& problem, const Sharding& sharding, const Variant& variant) {
  const BatchOrders orders(sharding.queries, problem.Q.shape.B);
  const Index misread = variant["misread"], S = problem.Q.shape.S;
  if (misread == operands_misread) return [](const RowPlace& p) { return p; };
  return misread == everything_misread ? map_between(orders.received, orders.read, S)
                                       : map_between(orders.read, orders.received, S);
}

MovedResults moved_in_batch(const Variant& variant) {
  return variant["misread"] == everything_misread ? moved_out_and_lse : moved_out;
}

AttentionOutput<double> batch_misread(const Simulation& sim, const Variant& variant) {
  return with_moved_results(with_batch_misread(sim.problem(), sim.sharding(), variant), sim,
                            batch_source(sim.problem(), sim.sharding(), variant), moved_in_batch(variant));
}

Gradients<double> batch_misread_backward(const BackwardSimulation& sim, const Variant& variant) {
  return gradients_of_moved_results(with_batch_misread(sim.problem(), sim.sharding(), variant), sim,
                                    batch_source(sim.problem(), sim.sharding(), variant),
                                    moved_in_batch(variant));
}

Variants each_batch_reading(const Simulation& sim) {
  return only_if(sim.devices() > 1 && sim.problem().Q.shape.B > 1,
                 each_named("misread", {"q, k, v, and out back by the same reading", "q, k and v", "out"}));
}

}  // namespace

std::vector<Mistake> all_to_all_mistakes() {
  return {
      {.id = "U1",
       .family = Family::strategies,
       .title = "Ulysses: the heads of the result are put together in the wrong order",
       .wrong = "head l of device p becomes head l P + p instead of head p (H / P) + l",
       .fingerprint = "the right rows of other heads; out is wrong, lse only if it is exchanged as well",
       .why = "The pieces of the inverse all-to-all are joined in another order than that of the devices.",
       .fix = "Put the H / P heads of device p together, behind those of device p - 1.",
       .variants = each_wrong_result_order,
       .forward = moved_forward<in_wrong_order>,
       .backward = moved_backward<in_wrong_order>},
      {.id = "U2",
       .family = Family::strategies,
       .title = "Ulysses: the inverse all-to-all exchanges rows with heads",
       .wrong = "(P, S / P, H / P, D), as received, is viewed as (S / P, H, D)",
       .fingerprint =
           "each device has its own results, right but in the place of other rows and heads; lse is "
           "right unless it is exchanged as well",
       .why = "A view renames the axes of the received pieces but does not reorder the memory.",
       .fix = "Transpose the axis of the pieces behind that of the rows before the view.",
       .seen_in = "deepspeedai/DeepSpeed#5664, deepspeedai/DeepSpeed#8317",
       .variants = each_wrong_inverse,
       .forward = moved_forward<rows_read_as_heads>,
       .backward = moved_backward<rows_read_as_heads>},
      {.id = "U3",
       .family = Family::strategies,
       .title = "Ulysses: the operands are cut into rows instead of heads",
       .wrong = "(S / P, H, D) is viewed as (P, S / P, H / P, D) and sent",
       .fingerprint = "all heads are wrong: each row of a head is a row of another head of the same device",
       .why = "The all-to-all sends consecutive pieces of memory, which contain whole rows of all heads.",
       .fix = "Transpose the axis of the devices to the front before the all-to-all.",
       .variants = where_kv_heads_divide,
       .alteration = operands_not_transposed},
      {.id = "U4",
       .family = Family::strategies,
       .title = "Ulysses: the all-to-all mixes the sequences of the batch",
       .wrong = "(P, B, S / P, H / P, D), as received, is viewed as (B, S, H / P, D)",
       .fingerprint =
           "right for a batch of one; otherwise queries attend to keys of other sequences, or results "
           "stand in other sequences",
       .why = "The pieces are joined along the first axis, which is the batch, instead of the sequence.",
       .fix = "Transpose the axis of the pieces behind the batch before the view.",
       .seen_in = "deepspeedai/DeepSpeed#5808",
       .variants = each_batch_reading,
       .forward = batch_misread,
       .backward = batch_misread_backward},
      {.id = "U5",
       .family = Family::strategies,
       .title = "Ulysses: the heads of the gradients are put together in the wrong order",
       .wrong = "head l of device p becomes head l P + p instead of head p (H / P) + l",
       .fingerprint = "out is right; dq, dk and dv have the right rows of other heads",
       .why = "The all-to-all of the backward must be the inverse of that of the forward.",
       .fix = "Put the H / P heads of device p together, behind those of device p - 1.",
       .variants =
           [](const Simulation& sim) {
             return each_wrong_order(sim) * each_touched({dq_dk_dv, dk_dv, dq_only});
           },
       .backward = gradients_in_wrong_order},
  };
}

}  // namespace ringattn
