#pragma once

#include <string>
#include <vector>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// "0..3, 5"; of a long list the first runs, or "0, 4, ..., 60 in steps of 4"
std::string runs_of(const std::vector<Index>& ascending);

// The heads and rows of a finding: "all heads, rows 4..7"; "sequence 1, query heads 0, 2; device 3". Rows of whole
// devices are named by their devices
// _of_keys_: they are K/V heads and keys
std::string places_of(const ExaminedAttention& attention, const std::vector<HeadRows>& where,
                      bool of_keys = false);

// The devices and blocks of a finding as a sentence "device r _verb_s its own block_rest_"; _verb_ is the plural form
std::string blocks_text(const Finding& finding, const std::string& verb, const std::string& rest);

// What the position map of a finding gives for n: "its place within the rows of its device"
std::string position_text(const Finding& finding);

// Where the results of rows come from (examine/row_sources.h): "row i that of query head 2"
std::string row_sources_text(const ExaminedAttention& attention, const Finding& finding);

// "rows 4..7 _middle_ 0..3, ..." for two lists of the same length
std::string runs_and_sources(const std::vector<Index>& rows, const std::vector<Index>& sources,
                             const char* middle, const char* noun = "rows");

// What the keys of a list hold: "key j + 3 what belongs to key j", or runs
std::string moved_keys_text(const std::vector<Index>& keys, const std::vector<Index>& sources);

// "memory that is written in the order (row, head) is read in the order (head, row)"
std::string axis_order_text(const ExaminedAttention& attention, const Finding& finding);

// The same of a tensor, whose rows and heads may be those of devices: "q: memory that ..."
std::string memory_order_text(const ExaminedAttention& attention, const Finding& finding);

}  // namespace ringattn
