#include "reference/comm/mpi/block_packet.h"

#include <cstring>

namespace ringattn {

namespace {

// The first words of a header. One shape, (B, S, H, D), follows for each tensor.
struct BlockHeader {
  std::int64_t owner;
  std::int64_t sequences, length;  // of the positions; 0 sequences: the block has none
  std::int64_t sender, event;      // id of the send event
  double began_t, begins_to_arrive_t, arrives_t;
  std::int64_t began_w, arrives_w;  // synchronized time
};
constexpr std::size_t header_words = sizeof(BlockHeader) / sizeof(std::int64_t);
static_assert(sizeof(BlockHeader) == header_words * sizeof(std::int64_t));

// Throws unless the heads are contiguous, one after the other, so that one region holds the whole tensor
template <class T>
void check_strides(const Tensor<T>& tensor) {
  const Strides found = tensor.strides(), wanted = strides_of(tensor.shape(), Axes::bhsd);
  if (found.B != wanted.B || found.S != wanted.S || found.H != wanted.H)
    throw std::runtime_error(
        "[mpi] a tensor that is sent must store its heads one after the other; found other strides; copy it "
        "to Axes::bhsd");
}

}  // namespace

template <class T>
Packet to_packet(const Message<T>& message, const MpiCommunicator& mpi) {
  // The header, in the time that all processes agree on
  const auto& [block, timing] = message;
  const RowPositions* positions = block.positions.get();
  const BlockHeader header{block.owner,
                           positions ? positions->sequences() : 0,
                           positions ? positions->length() : 0,
                           timing.sent.device,
                           timing.sent.sequence,
                           timing.began_t,
                           timing.begins_to_arrive_t,
                           timing.arrives_t,
                           mpi.synchronized_time(timing.began_w),
                           mpi.synchronized_time(timing.arrives_w)};
  // The payload: the positions of each sequence, then the tensors, each with its shape in the header
  Packet packet;
  packet.header.resize(header_words);
  std::memcpy(packet.header.data(), &header, sizeof header);
  for (Index b = 0; b < header.sequences; ++b) packet.payload.push_back(std::as_bytes(positions->of(b)));
  for (const auto& tensor : block.tensors) {
    check_strides(*tensor);
    const Shape& s = tensor->shape();
    packet.header.insert(packet.header.end(), {s.B, s.S, s.H, s.D});
    packet.payload.push_back(
        std::as_bytes(std::span(tensor->data(), static_cast<std::size_t>(tensor->size()))));
  }
  packet.keep_alive = std::make_shared<Block<T>>(block);
  return packet;
}

template <class T>
ReceiveHandler::Buffers buffers_for(std::span<const std::int64_t> words, const MpiCommunicator& mpi,
                                    Message<T>& message) {
  // The header
  BlockHeader header;
  std::memcpy(&header, words.data(), sizeof header);
  Block<T>& block = message.block;
  block.owner = static_cast<int>(header.owner);
  message.timing = {{static_cast<std::int32_t>(header.sender), static_cast<std::int32_t>(header.event)},
                    header.began_t,
                    header.begins_to_arrive_t,
                    header.arrives_t,
                    mpi.local_time(header.began_w),
                    mpi.local_time(header.arrives_w)};

  // Memory for the positions; they are shared with others, and never reused
  ReceiveHandler::Buffers target;
  block.positions = nullptr;
  if (header.sequences > 0) {
    const auto positions = std::make_shared<RowPositions>(header.sequences, header.length);
    for (Index b = 0; b < header.sequences; ++b)
      target.spans.push_back(std::as_writable_bytes(positions->of(b)));
    block.positions = positions;
  }

  // Memory for the tensors, reused if it fits and only this message refers to it
  words = words.subspan(header_words);
  block.tensors.resize(words.size() / 4);
  for (auto& tensor : block.tensors) {
    const Shape shape{words[0], words[1], words[2], words[3]};
    words = words.subspan(4);
    if (!tensor || tensor.use_count() > 1 || tensor->shape() != shape)
      tensor = shared(Tensor<T>(shape, Axes::bhsd));
    target.spans.push_back(
        std::as_writable_bytes(std::span(tensor->data(), static_cast<std::size_t>(tensor->size()))));
  }
  target.keep_alive = std::make_shared<Block<T>>(block);
  return target;
}

template Packet to_packet(const Message<float>&, const MpiCommunicator&);
template Packet to_packet(const Message<double>&, const MpiCommunicator&);
template ReceiveHandler::Buffers buffers_for(std::span<const std::int64_t>, const MpiCommunicator&,
                                             Message<float>&);
template ReceiveHandler::Buffers buffers_for(std::span<const std::int64_t>, const MpiCommunicator&,
                                             Message<double>&);

}  // namespace ringattn
