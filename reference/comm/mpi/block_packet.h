#pragma once

#include "reference/comm/link.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn {

// A message of the ring as a packet. It shares the tensors of the block, which nobody may change until it is
// sent. Throws where the tensors do not lie head after head.
template <class T>
Packet to_packet(const Message<T>& message, const MpiCommunicator& mpi);

// Makes _message_ what the head of a packet says, with room for its tokens and tensors. Memory that only
// _message_ uses is used again.
template <class T>
ReceiveHandler::Buffers buffers_for(std::span<const std::int64_t> header, const MpiCommunicator& mpi, Message<T>& message);

}  // namespace ringattn
