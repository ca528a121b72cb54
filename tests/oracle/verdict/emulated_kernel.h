#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/oracle/error_bound/precision.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// How the results of the blocks of a ring are combined.
//   carried         one state (m, l, O) absorbs all blocks
//   merged          each block is finished on its own and merged by lse
//   merged_rounded  the same, and rounded to the storage type after each merge
enum class Partials { carried, merged, merged_rounded };

// A kernel like FlashAttention on a ring of devices, emulated on the CPU with the roundings of a matrix unit: operands,
// P and dS are rounded to _precision_, products are summed sequentially in float32 (float64 for f64), and results are
// rounded to the storage type.
struct Kernel {
  Precision precision = Precision::f32;
  Dtype stored = Dtype::f32;
  Index tile = 16;  // keys; 0: a block is one tile
  bool right_to_left = false;
  int devices = 1;
  Layout layout = Layout::contiguous;
  Partials partials = Partials::carried;
  bool rounded_sums = false;  // a loss of precision: O, dq, dk and dv are rounded after every tile
  bool fast_weights =
      false;  // bf16 and f16: exp is a polynomial of degree 3, and l sums P as rounded to operands

  ImplementationPrecision declared(bool exact_operands) const;
  std::string describe() const;
};

// x as an operand of a matrix product
double rounded_to(Precision precision, double x);
void round_to(Precision precision, Tensor<double>& tensor);

void scale_by(Tensor<double>& tensor, double factor);

// Rounds all inputs to numbers that the operands of a kernel hold exactly
void make_exact(RandomProblem<double>& p, Precision precision);

AttentionOutput<double> emulated_attention(const Problem<double>& problem, const Kernel& kernel);

// _forward_ is the result of the kernel: delta is computed from the stored out, P from the stored lse
Gradients<double> emulated_vjp(const Problem<double>& problem, const AttentionOutput<double>& forward,
                               const Cotangents<double>& cotangents, const Kernel& kernel);

}  // namespace ringattn
