#pragma once

#include <string>

#include "reference/files/json.h"
#include "reference/oracle/check.h"

namespace ringattn::cli {

// The report of `ringattn check`: the same content for people, for programs and for a page.
std::string to_text(const Submission& submission, const Report& report);
Json to_json(const Submission& submission, const Report& report);
std::string to_markdown(const Submission& submission, const Report& report);

// "1.2e+03 x", of a tolerance
std::string times(double ratio);

// Its parts, for the commands that show them alone
std::string text_of(const BlockWeights& block_weights);
Json to_json(const BlockWeights& block_weights);
std::string text_of(const std::vector<StateVerdict>& states, int devices);
std::string text_of(const Submission& submission, const Diagnosis& diagnosis);
std::string text_of(const std::vector<Law>& laws);
Json to_json(const std::vector<Law>& laws);

}  // namespace ringattn::cli
