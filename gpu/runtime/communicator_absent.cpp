// Replaces the communicator of NCCL where NCCL was not found: each use is an error that says so.

#include "gpu/runtime/communicator.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::gpu {

struct Communicator::State {};

bool Communicator::is_available() { return false; }

void Communicator::require_available() {
  throw BadInput(
      "[--transport] nccl needs NCCL; found a program built without it; install NCCL and build it again, or "
      "leave --transport out");
}
std::string Communicator::new_id() {
  require_available();
  return {};
}
Communicator::Communicator() { require_available(); }
Communicator::Communicator(const std::string&, int, int, std::function<void()>) { require_available(); }

// Never called: the constructors throw
Communicator::~Communicator() = default;
void Communicator::exchange(std::span<const Transfer>, Stream&) {}
void Communicator::wait_for(Stream&) {}
void Communicator::abort() {}

}  // namespace ringattn::gpu
