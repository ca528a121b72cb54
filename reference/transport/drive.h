#pragma once

#include <functional>

#include "reference/transport/waiting_room.h"

namespace ringattn {

// Deals _devices_ devices out to _threads_ threads, neighbours together, and calls body(first, last) on each
// thread for its devices [first, last). Returns when all have finished. If one of them throws, all waits end
// and the first error is thrown again here.
void drive(int devices, int threads, WaitingRoom& room, const std::function<void(int first, int last)>& body);

}  // namespace ringattn
