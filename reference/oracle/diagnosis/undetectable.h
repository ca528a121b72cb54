#pragma once

#include <string_view>

#include "reference/oracle/catalogue/mistake.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// Mistakes that this case cannot detect: the entries of the catalogue that would change the submitted tensors by less
// than a failure (4 tolerances) on this input.
struct UndetectableMistakes {
  std::vector<const Mistake*> mistakes;

  // False if the mistakes of the backward were not tried, because that would take minutes for a case of this size. They
  // are then not listed.
  bool backward_tried = true;

  std::vector<std::string_view> ids() const;
};

UndetectableMistakes find_undetectable_mistakes(const Submission& submission);

}  // namespace ringattn
