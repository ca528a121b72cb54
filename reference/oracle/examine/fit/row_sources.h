#pragma once

#include <functional>
#include <optional>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/memory/axis_orders.h"

namespace ringattn {

// Where the right content of a row was found: in another sequence, head or row.
struct RowSource {
  RowPlace place, from;  // the row that holds it, and the row that it belongs to
};

// Rows of query heads, or keys of K/V heads.
enum class RowsOf { queries, keys };

// The findings of the kind _kind_ that describe all sources with the fewest words: one head for another, one distance,
// one order of the rows, one misread order of axes; otherwise a list for each head.
std::vector<Finding> findings_of_sources(const ExaminationState& state, FindingKind kind,
                                         const std::vector<RowSource>& sources, RowsOf rows);

// The rule that gives the sources, for any place: one order of the rows in every head, or one order of axes. Empty:
// none of these gives them all
std::function<RowPlace(const RowPlace&)> source_rule(const ExaminationState& state,
                                                     const std::vector<RowSource>& sources, RowsOf rows);

// Adds those of query heads
void add_row_sources(ExaminationState& state, FindingKind kind, const std::vector<RowSource>& sources);

}  // namespace ringattn
