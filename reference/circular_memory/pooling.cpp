#include "reference/circular_memory/pooling.h"

#include <cmath>

namespace ringattn {

Kernel mean_kernel(Index n) { return Kernel::Constant(n, 1 / static_cast<double>(n)); }

Kernel ramp_kernel(Index n) {
  const Kernel ramp = Kernel::LinSpaced(n, 1, static_cast<double>(n));
  return ramp / ramp.sum();
}

template <class T>
void pool(const Kernel& kernel, const RowRange& from, Index to, Slots<T>& slots) {
  // k' = sum_j w_j k_j   v' = sum_j w_j v_j
  const auto w = kernel.transpose().template cast<T>();
  slots.K.row(to) = w * slots.K.middleRows(from.begin, from.size());
  slots.V.row(to) = w * slots.V.middleRows(from.begin, from.size());

  // The slot counts as its tokens: their number, their attention and their positions
  slots.log_tokens(to) = static_cast<T>(std::log(static_cast<double>(from.size())));
  slots.attention(to) = slots.attention.segment(from.begin, from.size()).sum();
  slots.tokens.row(to).head(from.size()) = slots.tokens.col(0).segment(from.begin, from.size()).transpose();
  for (Index slot = from.begin; slot < from.end; ++slot) slots.clear(slot);
}

template void pool(const Kernel&, const RowRange&, Index, Slots<float>&);
template void pool(const Kernel&, const RowRange&, Index, Slots<double>&);

}  // namespace ringattn
