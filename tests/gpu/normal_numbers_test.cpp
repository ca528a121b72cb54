#include <doctest/doctest.h>

#include "gpu/bench/normal_numbers.h"
#include "gpu/ring/transfer.h"
#include "reference/definition/layout.h"
#include "reference/definition/random.h"
#include "tests/truth.h"

using namespace ringattn;

TEST_CASE("the GPU finds the numbers of the reference's generator, each by itself") {
  const Shape first{1, 3, 1, 5}, shape{2, 11, 3, 8};
  Random random(7);
  normal_tensor<float>(first, random);
  Tensor<float> expected = normal_tensor<float>(shape, random);
  round_to(Dtype::f16, expected);

  gpu::Stream stream;
  const std::vector<Index> rows = rows_of_device(Layout::zigzag, 1, 3, shape.S);
  const auto positions = gpu::positions_to_gpu(consecutive_tokens(shape.S).select(rows),
                                               static_cast<Index>(rows.size()), stream);
  gpu::GpuTensor found({shape.B, static_cast<Index>(rows.size()), shape.H, shape.D}, 2);
  const std::uint64_t state = gpu::state_after(7, static_cast<std::uint64_t>(first.size()));
  gpu::write_normal_numbers({state, int(shape.B), int(shape.S), int(shape.H), int(shape.D)},
                            positions->as<int>(), int(rows.size()), gpu::Element::f16, found.data(), stream);
  CHECK(same_bits(gpu::from_gpu(found, Dtype::f16, stream), select_rows(expected.view(), rows, Axes::bhsd)));
}
