#pragma once

#include <string>

#include "reference/files/json.h"
#include "reference/oracle/check.h"

namespace ringattn {

// The report of `ringattn check`, as text, as JSON and as Markdown, all with the same content. It measures every
// error in tolerances: the tolerance of an element is the largest error that rounding explains there, for a correct
// implementation of the declared precision (error_bound.h).
std::string to_text(const Submission& submission, const Report& report);
Json to_json(const Submission& submission, const Report& report);
std::string to_markdown(const Submission& submission, const Report& report);

// An error as a multiple of the tolerance: "1.2e+03 x" or "inf x", to be followed by "the tolerance"
std::string times(double ratio);

// Parts of the report, for commands that print one alone.

// A table: devices down, K/V blocks across
std::string text_of(const BlockWeights& block_weights);
Json to_json(const BlockWeights& block_weights);

// A table: devices down, steps across
std::string text_of(const std::vector<StateVerdict>& states, int devices);

// The name of the mistake, its variant, and the fix
std::string text_of(const Submission& submission, const Diagnosis& diagnosis);

// What corrects a mistake in this problem: the entries of masks are written for problems that have one
std::string fix_of(const Submission& submission, const Mistake& mistake);

// One line per law, and a second one if it is broken
std::string text_of(const std::vector<Law>& laws);
Json to_json(const std::vector<Law>& laws);

}  // namespace ringattn
