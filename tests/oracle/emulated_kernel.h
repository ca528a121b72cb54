#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/oracle/error_bound/precision.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// How the blocks of the other devices join a row.
//   carried         one state (m, l, O) goes through all blocks
//   merged          each block is finished alone and merged by lse
//   merged_rounded  as before, rounded to the storage type in between
enum class Partials { carried, merged, merged_rounded };

// A kernel in the manner of FlashAttention, on a ring of devices, calculated on the processor exactly as a
// matrix unit would: operands, P and dS rounded to _precision_, products summed one after the other in
// float32 (float64 for f64), results rounded to the storage type.
struct Kernel {
  Precision precision = Precision::f32;
  Dtype stored = Dtype::f32;
  Index tile = 16;  // keys; 0: a block is one tile
  bool right_to_left = false;
  int devices = 1;
  Layout layout = Layout::contiguous;
  Partials partials = Partials::carried;
  bool rounded_sums = false;  // a mistake of precision: O, dq, dk and dv are rounded after every tile

  ImplementationPrecision declared(bool exact_operands) const;
  std::string describe() const;
};

// x as an operand of a product
double rounded_to(Precision precision, double x);
void round_to(Precision precision, Tensor<double>& tensor);

// All numbers become such as the operands of a kernel can hold
void make_exact(RandomProblem<double>& p, Precision precision);

AttentionOutput<double> emulated_attention(const Problem<double>& problem, const Kernel& kernel);

// _forward_ is what the kernel gave: delta comes from the stored out, P from the stored lse
Gradients<double> emulated_vjp(const Problem<double>& problem, const AttentionOutput<double>& forward,
                               const Cotangents<double>& cotangents, const Kernel& kernel);

}  // namespace ringattn
