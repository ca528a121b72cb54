#include "gpu/runtime/communicator.h"
#include "reference/definition/bad_input.h"

namespace ringattn::gpu {

struct Communicator::State {};

bool Communicator::is_there() { return false; }

Communicator::Communicator() {
  throw BadInput(
      "[--transport] nccl needs NCCL; found a program built without it; install NCCL and build it again, or "
      "leave --transport out");
}
Communicator::~Communicator() = default;
void Communicator::pass(std::span<const Parcel>, Stream&) {}
void Communicator::check_on_the_way() {}

}  // namespace ringattn::gpu
