#pragma once

#include <string>

#include "reference/files/json.h"
#include "reference/oracle/examine/examination.h"

namespace ringattn {

// The report of `ringattn examine`: what was examined, and each finding as a sentence.
std::string to_text(const ExaminedAttention& attention, const Examination& examination);

// The same with the numbers of each finding
Json to_json(const ExaminedAttention& attention, const Examination& examination);

// A part of an HTML page: the text, and pictures of the measured weights beside the right ones
std::string to_html(const ExaminedAttention& attention, const Examination& examination);

}  // namespace ringattn
