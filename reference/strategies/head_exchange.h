#pragma once

#include <vector>

#include "reference/ring/port.h"
#include "reference/strategies/head_range.h"

namespace ringattn {

// The kind of rows and heads that a block has.
enum class Side { queries, keys };

// The devices that exchange heads, and what each has.
struct HeadGroup {
  std::vector<int> devices = {};
  std::size_t place = 0;              // of this device among them
  std::vector<HeadRange> heads = {};  // of each device, after the exchange
  std::vector<Index> query_lengths = {},
                     key_lengths = {};  // number of rows of each device, before the exchange
  Index query_heads = 0, kv_heads = 0;  // all

  Index first_head(Side side, std::size_t of) const {
    return side == Side::queries ? heads[of].first : heads[of].kv_first;
  }
  Index head_count(Side side, std::size_t of) const {
    return side == Side::queries ? heads[of].count : heads[of].kv_count;
  }
  Index all_heads(Side side) const { return side == Side::queries ? query_heads : kv_heads; }
  const std::vector<Index>& lengths(Side side) const {
    return side == Side::queries ? query_lengths : key_lengths;
  }
};

// The all-to-all of DeepSpeed-Ulysses (arXiv:2309.14509) between the u devices of a group, seen from one of them. Before
// it a device has some rows with all heads, after it the rows of the whole group with some heads; the inverse brings
// results back.
//
//              rows     heads          rows         heads
//   device 0   0 1 2    a b c d   ->   0 1 2 3 4    a b
//   device 1   3 4      a b c d        0 1 2 3 4    c d
//
// With more devices than K/V heads, several devices get the same K/V head, and their gradients of it are added up.
template <class T>
class HeadExchange {
 public:
  HeadExchange(HeadGroup group, Port<T> port) : group_(std::move(group)), port_(port) {}

  const HeadGroup& group() const { return group_; }

  // Sends to each other device its heads of the own rows
  void send_heads(Side side, std::string_view name, const Block<T>& rows);
  // The own heads of the rows of the whole group, in the order of the group; _rows_: the block of the own rows
  Block<T> take_rows(Side side, std::string_view name, const Block<T>& rows);

  // The inverse: sends to each other device the own heads of its rows
  void send_rows(Side side, std::string_view name, const Block<T>& heads);
  // All heads of the own rows; _heads_: the block of the own heads. What several devices computed for one K/V head is
  // summed in the order of the group
  Block<T> take_heads(Side side, std::string_view name, const Block<T>& heads);

 private:
  static constexpr int outside_steps = -1;  // label of events before the first step and after the last

  // Messages about keys and about queries have channels of their own, so a device may send both before it receives
  static Channel channel(Side side) { return side == Side::keys ? Channel::blocks : Channel::results; }

  Block<T> piece_of_heads(Side side, const Block<T>& rows, std::size_t receiver) const;
  Block<T> piece_of_rows(Side side, const Block<T>& heads, std::size_t receiver) const;
  template <class Piece>
  void send_pieces(Side side, std::string_view name, Piece piece);
  std::vector<Block<T>> take_pieces(Side side, std::string_view name, Block<T> own);

  HeadGroup group_;
  Port<T> port_;
};

// ---- Messages ------------------------------------------------------------------------

// Sends piece(receiver) to each other device, the next one first
template <class T>
template <class Piece>
void HeadExchange<T>::send_pieces(Side side, std::string_view name, Piece piece) {
  for (std::size_t distance = 1; distance < group_.devices.size(); ++distance) {
    const std::size_t receiver = (group_.place + distance) % group_.devices.size();
    port_.send(outside_steps, group_.devices[receiver], channel(side), name, piece(receiver));
  }
}

// The pieces from all devices, in the order of the group
template <class T>
std::vector<Block<T>> HeadExchange<T>::take_pieces(Side side, std::string_view name, Block<T> own) {
  std::vector<Block<T>> pieces(group_.devices.size());
  pieces[group_.place] = std::move(own);
  for (std::size_t distance = pieces.size() - 1; distance > 0; --distance) {
    const std::size_t sender = (group_.place + distance) % pieces.size();
    port_.receive(outside_steps, group_.devices[sender], channel(side), name, pieces[sender]);
  }
  return pieces;
}

template <class T>
void HeadExchange<T>::send_heads(Side side, std::string_view name, const Block<T>& rows) {
  send_pieces(side, name, [&](std::size_t receiver) { return piece_of_heads(side, rows, receiver); });
}

template <class T>
void HeadExchange<T>::send_rows(Side side, std::string_view name, const Block<T>& heads) {
  send_pieces(side, name, [&](std::size_t receiver) { return piece_of_rows(side, heads, receiver); });
}

}  // namespace ringattn
