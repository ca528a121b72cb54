#pragma once

#include "reference/ring/link.h"
#include "reference/transport/mpi/post.h"

namespace ringattn {

// A message of the ring as a letter. It shares the tensors of the block, which nobody may change until it is
// sent. Throws where the tensors do not lie head after head.
template <class T>
Letter to_letter(const Message<T>& message, const Post& post);

// Makes _message_ what the head of a letter says, with room for its tokens and tensors. Memory that only
// _message_ uses is used again.
template <class T>
Mailbox::Room room_for(std::span<const std::int64_t> head, const Post& post, Message<T>& message);

}  // namespace ringattn
