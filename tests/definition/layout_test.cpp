// Tests of the distribution of rows over devices.

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "reference/definition/layout.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

using Rows = std::vector<Index>;

// Calls _visit_(layout, devices, N), including more devices than rows and no rows at all
template <class Visit>
void for_many_layouts(Visit visit) {
  for (Layout layout : all_layouts)
    for (int devices : {1, 2, 3, 4, 5, 7, 8, 16, 31, 100})
      for (Index N : {0, 1, 2, 3, 5, 8, 13, 31, 32, 33, 64, 97, 200}) {
        CAPTURE(static_cast<int>(layout));
        CAPTURE(devices);
        CAPTURE(N);
        visit(layout, devices, N);
      }
}

// Whether device r of P holds row _row_
bool belongs(Layout layout, Index row, Index r, Index P, Index N) {
  const auto in_chunk = [&](Index c, Index n) { return c * N / n <= row && row < (c + 1) * N / n; };
  switch (layout) {
    case Layout::contiguous:
      return in_chunk(r, P);
    case Layout::zigzag:
      return in_chunk(r, 2 * P) || in_chunk(2 * P - 1 - r, 2 * P);
    case Layout::striped:
      return row % P == r;
  }
  return false;
}

Rows concatenate(Rows rows, const Rows& more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

TEST_CASE("every row is on exactly one device") {
  for_many_layouts([](Layout layout, int devices, Index N) {
    Rows all;
    for (int device = 0; device < devices; ++device)
      all = concatenate(all, rows_of_device(layout, device, devices, N));
    std::sort(all.begin(), all.end());
    Rows expected(static_cast<std::size_t>(N));
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(all == expected);
  });
}

TEST_CASE("the rows of a device are in ascending order") {
  for_many_layouts([](Layout layout, int devices, Index N) {
    for (int device = 0; device < devices; ++device) {
      const Rows rows = rows_of_device(layout, device, devices, N);
      CHECK(std::is_sorted(rows.begin(), rows.end()));
    }
  });
}

TEST_CASE("the shards of two devices differ by at most one row, with zigzag by two") {
  for_many_layouts([](Layout layout, int devices, Index N) {
    std::size_t fewest = static_cast<std::size_t>(N), most = 0;
    for (int device = 0; device < devices; ++device) {
      const std::size_t rows = rows_of_device(layout, device, devices, N).size();
      fewest = std::min(fewest, rows), most = std::max(most, rows);
    }
    CHECK(most - fewest <= (layout == Layout::zigzag ? 2 : 1));
  });
}

TEST_CASE("chunk c of n over N rows begins at floor(c N / n) and ends before floor((c + 1) N / n)") {
  // c 10 / 7 = 0, 1.4, 2.9, 4.3, 5.7, 7.1, 8.6, 10
  const Index borders[] = {0, 1, 2, 4, 5, 7, 8, 10};
  for (Index c = 0; c < 7; ++c) {
    CHECK(chunk(c, 7, 10).begin == borders[c]);
    CHECK(chunk(c, 7, 10).end == borders[c + 1]);
  }
  CHECK(chunk(1, 4, 2).begin == 0);
  CHECK(chunk(1, 4, 2).end == 1);
  CHECK(chunk(999, 1000, Index{1} << 40).end == Index{1} << 40);
}

TEST_CASE("the distribution of ten rows over three devices") {
  const auto rows = [](Layout layout, int device) { return rows_of_device(layout, device, 3, 10); };
  CHECK(rows(Layout::contiguous, 0) == Rows{0, 1, 2});
  CHECK(rows(Layout::contiguous, 1) == Rows{3, 4, 5});
  CHECK(rows(Layout::contiguous, 2) == Rows{6, 7, 8, 9});
  CHECK(rows(Layout::zigzag, 0) == Rows{0, 8, 9});
  CHECK(rows(Layout::zigzag, 1) == Rows{1, 2, 6, 7});
  CHECK(rows(Layout::zigzag, 2) == Rows{3, 4, 5});
  CHECK(rows(Layout::striped, 0) == Rows{0, 3, 6, 9});
  CHECK(rows(Layout::striped, 1) == Rows{1, 4, 7});
  CHECK(rows(Layout::striped, 2) == Rows{2, 5, 8});
}

TEST_CASE("zigzag: device r has chunks r and 2P - 1 - r of 2P, striped: the rows equal to r modulo P") {
  for_many_layouts([](Layout layout, int devices, Index N) {
    for (int device = 0; device < devices; ++device) {
      Rows expected;
      for (Index row = 0; row < N; ++row)
        if (belongs(layout, row, device, devices, N)) expected.push_back(row);
      CHECK(rows_of_device(layout, device, devices, N) == expected);
    }
  });
}

TEST_CASE("the name of an axis order lists the axes from outermost to innermost in memory") {
  // B, S, H, D = 2, 3, 5, 7; the strides of b, s and h
  const auto apart = [](Axes axes, Index b, Index s, Index h) {
    const Tensor<float> tensor({2, 3, 5, 7}, axes);
    return &tensor(b, s, h, 0) - tensor.data();
  };
  const auto check_apart = [&](Axes axes, Index B, Index S, Index H) {
    CHECK(apart(axes, 1, 0, 0) == B);
    CHECK(apart(axes, 0, 1, 0) == S);
    CHECK(apart(axes, 0, 0, 1) == H);
  };
  check_apart(Axes::bshd, 3 * 5 * 7, 5 * 7, 7);
  check_apart(Axes::bhsd, 5 * 3 * 7, 7, 3 * 7);
  check_apart(Axes::sbhd, 5 * 7, 2 * 5 * 7, 7);
}

TEST_CASE("select_rows, then scatter_rows, is the identity") {
  Random random(1);
  const Tensor<double> original = normal_tensor<double>({2, 23, 3, 5}, random);
  for (Layout layout : all_layouts)
    for (Axes axes : {Axes::bshd, Axes::bhsd, Axes::sbhd}) {
      Tensor<double> gathered(original.shape());
      for (int device = 0; device < 4; ++device) {
        const Rows rows = rows_of_device(layout, device, 4, 23);
        scatter_rows(select_rows(original.view(), rows, axes), rows, gathered);
      }
      CHECK(identical(gathered, original));
    }
}

TEST_CASE("positions are selected along with their rows") {
  Random random(2);
  for (int n = 0; n < 20; ++n) {
    const RowPositions positions = random_problem(random).kv_positions;
    for (Layout layout : all_layouts)
      for (int device = 0; device < 3; ++device) {
        const Rows rows = rows_of_device(layout, device, 3, positions.length());
        const RowPositions selected = positions.select(rows);
        CHECK(selected.length() == static_cast<Index>(rows.size()));
        for (Index b = 0; b < selected.sequences(); ++b)
          for (std::size_t i = 0; i < rows.size(); ++i)
            CHECK(selected.of(b)[i] == positions.of(b)[static_cast<std::size_t>(rows[i])]);
      }
  }
}
