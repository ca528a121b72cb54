#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Channels that hold other channels of the same right row, with either sign: halves that are exchanged, rotated or
// interleaved. One map for each head.
void find_channel_map(const RecordedTensor& tensor, const WrongPart& part, Explanations& explanations);

}  // namespace ringattn
