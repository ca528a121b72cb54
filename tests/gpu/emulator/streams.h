#pragma once

#include <functional>

// The streams of an emulated device. Enqueued work is executed as late as possible, when the host waits for it, and
// in an order that is random except for the constraints of streams and events. A missing event
// therefore causes a visible error.
namespace emulator {

struct Stream;
struct Event;

void enqueue(Stream* stream, std::function<void()> work);

// The stream is blocked until an external event has happened
void enqueue_wait(Stream* stream, std::function<bool()> happened);

// Seeds the random order of all later work
void set_seed(unsigned seed);

}  // namespace emulator
