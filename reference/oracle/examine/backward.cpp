#include "reference/oracle/examine/examination.h"

namespace ringattn {

void examine_backward(ExaminationState&) {}

}  // namespace ringattn
