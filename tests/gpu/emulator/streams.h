#pragma once

#include <functional>

// The streams of an emulated device. Work that was enqueued is done as late as can be, when somebody waits
// for it, and in an order that is random but for what streams and events ask for. So an event that is missing
// shows.
namespace emulator {

struct Stream;
struct Event;

void enqueue(Stream* stream, std::function<void()> work);

// The stream goes no further until something outside of the device has happened
void enqueue_wait(Stream* stream, std::function<bool()> happened);

// The order of all that follows
void set_seed(unsigned seed);

}  // namespace emulator
