#pragma once

#include <string_view>

#include "reference/oracle/catalogue/mistake.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// What passing says nothing about: the entries of the catalogue that would not change what was handed in by
// more than a note's worth on this input.
struct UndetectableMistakes {
  std::vector<const Mistake*> mistakes;

  // False where mistakes of the backward alone were passed over, neither seen nor undetectable: trying them on a
  // case of this size would take minutes
  bool backward_tried = true;

  std::vector<std::string_view> ids() const;
};

UndetectableMistakes find_undetectable_mistakes(const Submission& submission);

}  // namespace ringattn
