// Tests of the benchmark: numbers are generated on the GPU, and results are checked before they are timed.

#include <doctest/doctest.h>

#include "gpu/backward/ladder.h"
#include "gpu/bench/ring_bench.h"
#include "gpu/bench/single_device_backward.h"
#include "gpu/kernels/ladder.h"
#include "gpu/tensor/host_copy.h"
#include "reference/definition/layout.h"
#include "reference/definition/random.h"
#include "tests/support/ground_truth.h"

using namespace ringattn;

TEST_CASE("the GPU generates the numbers of the reference generator, each one independently") {
  const Shape first{1, 3, 1, 5}, shape{2, 11, 3, 8};
  Random random(7);
  normal_tensor<float>(first, random);
  Tensor<float> expected = normal_tensor<float>(shape, random);
  round_to(Dtype::f16, expected);

  gpu::Stream stream;
  const std::vector<Index> rows = rows_of_device(Layout::zigzag, 1, 3, shape.S);
  const auto positions = gpu::positions_to_gpu(consecutive_positions(shape.S).select(rows),
                                               static_cast<Index>(rows.size()), stream);
  gpu::GpuTensor found({shape.B, static_cast<Index>(rows.size()), shape.H, shape.D}, 2);
  const std::uint64_t state = gpu::state_after(7, static_cast<std::uint64_t>(first.size()));
  gpu::write_normal_numbers({state, int(shape.B), int(shape.S), int(shape.H), int(shape.D)},
                            positions->as<int>(), int(rows.size()), gpu::Element::f16, found.data(), stream);
  CHECK(same_bits(gpu::from_gpu(found, Dtype::f16, stream), select_rows(expected.view(), rows, Axes::bhsd)));
}

// Results are wrong until the kernel has written them, and correct afterwards
template <class Call, class Rungs>
void check_answers(const Rungs& rungs, const gpu::BenchCase& bench_case, Call& call, gpu::Stream& stream) {
  const auto step = call.step();
  for (const auto& rung : rungs) {
    call.poison();
    CHECK_THROWS_AS(gpu::require_correct(bench_case, "a kernel", call.reader()), gpu::WrongResult);
    rung.launch(step, stream);
    CHECK_NOTHROW(gpu::require_correct(bench_case, rung.name, call.reader()));
  }
}

TEST_CASE("a correct result may be timed, a wrong one may not") {
  gpu::Stream stream;
  const gpu::BenchCase bench_case{.B = 2, .H = 2, .N = 100, .d = 64, .causal = true};
  gpu::SingleDeviceForward call(bench_case, stream);
  check_answers(gpu::ladder(), bench_case, call, stream);
  const gpu::ReadRow read = call.reader();
  CHECK_THROWS(gpu::require_correct(bench_case, "a wrong kernel", [&](int b, int h, Index row) {
    std::vector<float> numbers = read(b, h, row);
    numbers.front() += 0.1f;
    return numbers;
  }));
}

TEST_CASE("gradients may be timed only if all three of them are correct") {
  gpu::Stream stream;
  const gpu::BenchCase bench_case{.B = 2, .H = 2, .N = 100, .d = 64, .causal = true};
  gpu::SingleDeviceBackward call(bench_case, stream);
  check_answers(gpu::backward_ladder(), bench_case, call, stream);
  const gpu::ReadHead read = call.reader();
  for (const auto which : {&Gradients<float>::dq, &Gradients<float>::dk, &Gradients<float>::dv})
    CHECK_THROWS_AS(gpu::require_correct(bench_case, "a wrong kernel",
                                         [&](int b, int h) {
                                           gpu::HeadResults head = read(b, h);
                                           (head.gradients.*which)(0, 0, 0, 0) += 3;
                                           return head;
                                         }),
                    gpu::WrongResult);
}

TEST_CASE("rings are checked before they are timed, and perfect balance is 1") {
  gpu::Stream stream;
  gpu::Stopwatch stopwatch(stream, 1);
  const gpu::BenchCase bench_case{.B = 1, .H = 1, .N = 30, .d = 64, .causal = true};
  for (const bool backward : {false, true}) {
    const std::vector<gpu::RingRow> rows = gpu::bench_ring(bench_case, backward, 3, 2, stopwatch, stream);
    CHECK(rows.size() == 2);
    for (const gpu::RingRow& row : rows) {
      CHECK(row.ring_seconds > 0);
      CHECK(row.of_one_call() > 0);
      CHECK(row.bytes_per_device > 0);
    }
  }
  CHECK(gpu::run_ring_once(bench_case, 2, stopwatch).tflops() > 0);
  // The emulated device takes the same time for every operation
  CHECK(gpu::modelled_efficiency(bench_case, Layout::zigzag, 3, 2, stopwatch, stream) == doctest::Approx(1));
}
