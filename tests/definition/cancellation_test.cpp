// Cancellation: a requested end reaches every thread of a computation.

#include "reference/definition/parallel/cancellation.h"

#include <doctest/doctest.h>

#include <vector>

#include "reference/blockwise/blockwise_attention.h"
#include "reference/definition/parallel/parallel_for.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

namespace ringattn {

TEST_CASE("a computation that nothing can cancel runs to its end") {
  CHECK_NOTHROW(throw_if_cancelled());
  Cancellation cancellation;
  {
    const Cancellation::Scope scope(&cancellation);
    CHECK_NOTHROW(throw_if_cancelled());
    cancellation.request();
    CHECK_THROWS_AS(throw_if_cancelled(), Cancelled);
  }
  CHECK_NOTHROW(throw_if_cancelled());
}

TEST_CASE("a request during a parallel loop reaches every thread before its next item") {
  for (const Index threads : {1, 2, 5})
    for (const Index last : {0, 1, 7, 30}) {
      CAPTURE(threads);
      CAPTURE(last);
      constexpr Index count = 1000;
      Cancellation cancellation;
      const Cancellation::Scope scope(&cancellation);
      std::vector<int> done(count);
      CHECK_THROWS_AS(parallel_for(count, threads,
                                   [&](Index n) {
                                     if (n == last) cancellation.request();
                                     ++done[static_cast<std::size_t>(n)];
                                   }),
                      Cancelled);
      CHECK(done[static_cast<std::size_t>(last)] == 1);
      for (Index next = last + threads; next < count; next += threads)  // of the same thread
        CHECK(done[static_cast<std::size_t>(next)] == 0);
    }
}

TEST_CASE("attention, blockwise or not, ends when it is cancelled") {
  Random random(1);
  for (int n = 0; n < trials(5); ++n) {
    const RandomProblem<double> inputs = random_problem(random);
    Cancellation cancellation;
    const Cancellation::Scope scope(&cancellation);
    const AttentionOutput<double> forward = attention(inputs.problem());
    cancellation.request();
    CHECK_THROWS_AS(attention(inputs.problem()), Cancelled);
    CHECK_THROWS_AS(attention_vjp(inputs.problem(), forward, inputs.cotangents()), Cancelled);
    CHECK_THROWS_AS(blockwise_attention(inputs.problem(), 2), Cancelled);
    CHECK_THROWS_AS(blockwise_attention_vjp(inputs.problem(), forward, inputs.cotangents(), 2), Cancelled);
  }
}

}  // namespace ringattn
