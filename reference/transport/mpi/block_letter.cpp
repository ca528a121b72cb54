#include "reference/transport/mpi/block_letter.h"

#include <cstring>

namespace ringattn {

namespace {

// What a letter says of a message before the shapes of its tensors
struct Heading {
  std::int64_t owner;
  std::int64_t sequences, length;  // of the tokens; sequences 0: there are none
  std::int64_t sender, event;
  double began_t, begins_to_arrive_t, arrives_t;
  std::int64_t began_w, arrives_w;  // common time
};
constexpr std::size_t heading_words = sizeof(Heading) / sizeof(std::int64_t);
static_assert(sizeof(Heading) == heading_words * sizeof(std::int64_t));

// Tensors that travel lie head after head, without gaps
template <class T>
void check_strides(const Tensor<T>& tensor) {
  const Strides found = tensor.strides(), wanted = strides_of(tensor.shape(), Axes::bhsd);
  if (found.B != wanted.B || found.S != wanted.S || found.H != wanted.H)
    throw std::runtime_error("[mpi] tensors that travel must lie head after head; found other strides");
}

}  // namespace

template <class T>
Letter to_letter(const Message<T>& message, const Post& post) {
  const auto& [block, stamp] = message;
  const Tokens* tokens = block.tokens.get();
  const Heading heading{block.owner,
                        tokens ? tokens->sequences() : 0,
                        tokens ? tokens->length() : 0,
                        stamp.sent.device,
                        stamp.sent.sequence,
                        stamp.began_t,
                        stamp.begins_to_arrive_t,
                        stamp.arrives_t,
                        post.common_time(stamp.began_w),
                        post.common_time(stamp.arrives_w)};
  Letter letter;
  letter.head.resize(heading_words);
  std::memcpy(letter.head.data(), &heading, sizeof heading);
  for (Index b = 0; b < heading.sequences; ++b) letter.pieces.push_back(std::as_bytes(tokens->of(b)));
  for (const auto& tensor : block.tensors) {
    check_strides(*tensor);
    const Shape& s = tensor->shape();
    letter.head.insert(letter.head.end(), {s.B, s.S, s.H, s.D});
    letter.pieces.push_back(
        std::as_bytes(std::span(tensor->data(), static_cast<std::size_t>(tensor->size()))));
  }
  letter.keep = std::make_shared<Block<T>>(block);
  return letter;
}

template <class T>
Mailbox::Room room_for(std::span<const std::int64_t> words, const Post& post, Message<T>& message) {
  Heading heading;
  std::memcpy(&heading, words.data(), sizeof heading);
  Block<T>& block = message.block;
  block.owner = static_cast<int>(heading.owner);
  message.stamp = {{static_cast<std::int32_t>(heading.sender), static_cast<std::int32_t>(heading.event)},
                   heading.began_t,
                   heading.begins_to_arrive_t,
                   heading.arrives_t,
                   post.local_time(heading.began_w),
                   post.local_time(heading.arrives_w)};

  Mailbox::Room room;
  block.tokens = nullptr;
  if (heading.sequences > 0) {
    const auto tokens = std::make_shared<Tokens>(heading.sequences, heading.length);
    for (Index b = 0; b < heading.sequences; ++b)
      room.pieces.push_back(std::as_writable_bytes(tokens->of(b)));
    block.tokens = tokens;
  }
  words = words.subspan(heading_words);
  block.tensors.resize(words.size() / 4);
  for (auto& tensor : block.tensors) {
    const Shape shape{words[0], words[1], words[2], words[3]};
    words = words.subspan(4);
    if (!tensor || tensor.use_count() > 1 || tensor->shape() != shape)
      tensor = shared(Tensor<T>(shape, Axes::bhsd));
    room.pieces.push_back(
        std::as_writable_bytes(std::span(tensor->data(), static_cast<std::size_t>(tensor->size()))));
  }
  room.keep = std::make_shared<Block<T>>(block);
  return room;
}

template Letter to_letter(const Message<float>&, const Post&);
template Letter to_letter(const Message<double>&, const Post&);
template Mailbox::Room room_for(std::span<const std::int64_t>, const Post&, Message<float>&);
template Mailbox::Room room_for(std::span<const std::int64_t>, const Post&, Message<double>&);

}  // namespace ringattn
