#pragma once

#include <vector>

#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// Rows that no right result has, whatever its inputs are: they hold a NaN or an infinity, but for lse = -inf of a query
// without visible keys. Finding them takes linear time, so all rows are looked at even if only a sample is judged.
struct ImpossibleRows {
  std::vector<Index> queries;  // rows of out, lse or dq, ascending
  std::vector<Index> keys;     // rows of dk or dv, ascending
};
ImpossibleRows find_impossible_rows(const Submission& submission);

}  // namespace ringattn
