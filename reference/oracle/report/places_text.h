#pragma once

#include <string>
#include <vector>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// "0..3, 5"; of a long list the first runs, or "0, 4, ..., 60 (every 4th)"
std::string runs_of(const std::vector<Index>& ascending);

// The heads and rows of a finding: "all heads, rows 4..7"; "sequence 1, query heads 0, 2; device 3". Rows of whole
// devices are named by their devices
std::string places_of(const ExaminedAttention& attention, const std::vector<HeadRows>& where);

// The pairs of a finding about blocks, as the object of a sentence about each device: "device r _verb_ its own block"
std::string blocks_text(const Finding& finding, const std::string& verb);

}  // namespace ringattn
