#pragma once

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/altered_problem.h"

namespace ringattn {

// Orders of the rows of a sequence, and the mistakes of reading one order as another.
using Rows = std::vector<Index>;

// The shard order L: row n of the concatenated shards is row L(n) of the sequence
Rows shard_order(const RowSharding& sharding);
Rows shard_order(Layout layout, int devices, Index N);

// The map from places(n) to rows(n)
Rows map_of(const Rows& places, const Rows& rows);

Rows inverse_permutation(const Rows& L);

// Row i of an operand is row map(i) of the given one; the mask is correct
void displace(AlteredProblem& wrong, Operand operand, const Rows& map);

// The result of row i is the right result of row map(i)
void displace_results(AlteredProblem& wrong, const Problem<double>& problem, const Rows& map);

// The shard orders of queries and keys
struct Orders {
  Rows q, kv;
};

// Shard row n is row actual(n) of the sequence, but is read as row assumed(n)
struct Orderings {
  Orders actual, assumed;
};

// What is read in the wrong order, the parameter `where`
enum Misplaced : Index { misplaced_out, misplaced_v, misplaced_k_and_v, misplaced_mask };
AlteredProblem misplaced(const Problem<double>& problem, const Orderings& order, Index where);
Variants each_where();

}  // namespace ringattn
