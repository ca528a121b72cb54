#pragma once

#include <optional>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// Where the right result of a row was found: in another sequence, query head or row.
struct RowSource {
  Index b = 0, h = 0, row = 0;  // the row that holds it
  Index from_b = 0, from_h = 0, from_row = 0;
};

// The findings that describe all sources, of the kind _kind_, with the fewest words: one head for another, one
// distance, one order of the rows, one misread order of axes; otherwise a list for each head.
void add_row_sources(ExaminationState& state, FindingKind kind, const std::vector<RowSource>& sources);

}  // namespace ringattn
