#pragma once

#include "reference/comm/link.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn {

// The packet of a message. Its header holds owner, timing and shapes; its payload refers to the positions and tensors
// of the block without a copy, so they must not be modified until the packet is sent. Throws std::runtime_error if the
// heads of a tensor are not contiguous.
template <class T>
Packet to_packet(const Message<T>& message, const MpiCommunicator& mpi);

// Sets _message_ to the contents of a header, and returns the memory of its positions and tensors, where the payload is
// to be written. Tensors of the right shape that only _message_ refers to are reused.
template <class T>
ReceiveHandler::Buffers buffers_for(std::span<const std::int64_t> header, const MpiCommunicator& mpi,
                                    Message<T>& message);

}  // namespace ringattn
