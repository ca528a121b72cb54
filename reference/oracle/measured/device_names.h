#pragma once

#include <string>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// How the devices of a ring are named in a sentence about the rows of one device: by number, or by the step at which
// the block meets these rows. A mistake of one device has one sentence by number, one of every device by step.
enum class DeviceNaming { number, step };

// K/V blocks that queries of device _own_ meet: "their own block", "the blocks of devices 1..2", "all other blocks",
// "the block of step 3". _met_: all devices whose blocks have visible keys
std::string blocks_text(const std::vector<Index>& owners, Index own, const std::vector<Index>& met,
                        Index devices, DeviceNaming naming);

// Queries that meet the keys of device _own_: "the queries of device 2", "the queries of their own device", "the
// queries of step 1"
std::string queries_text(const std::vector<Index>& of, Index own, const std::vector<Index>& met,
                         Index devices, DeviceNaming naming);

}  // namespace ringattn
