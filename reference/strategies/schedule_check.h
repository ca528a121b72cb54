#pragma once

#include <string>

#include "reference/ring/schedule.h"

namespace ringattn {

// Executes the messages of a pass without numbers, and returns the first error, or an empty string. In a correct schedule
//
//   every receive has its send, and every message is received
//   a slot holds one message, and the devices never all wait for each other
//   device d attends to the block of each of attended(d) exactly once
//   the results for a block reach its owner, with one contribution of each device that attends to it; if all devices
//     own the same queries, results for them reach every device, with one contribution of each
//
// Sends wait for an empty slot, receives for a full one, and no device can choose between two messages. Such a network is
// determinate (Kahn, The Semantics of a Simple Language for Parallel Programming, 1974): if one order of execution
// completes, every order does, with the same messages.
struct ScheduleRules {
  std::function<std::vector<int>(int device)> attended = {};  // default: the blocks of all devices
  bool same_queries = false;
};
std::string schedule_error(const ScheduleFactory& schedules, int devices, const ScheduleRules& rules = {});

}  // namespace ringattn
