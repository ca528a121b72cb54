#include "reference/strategies/head_exchange.h"

#include <numeric>

namespace ringattn {

namespace {

// The rows of the device at _place_ among those of the group, which stand in the order of the group
std::vector<Index> rows_of(const std::vector<Index>& lengths, std::size_t place) {
  const auto of_device = lengths.begin() + static_cast<std::ptrdiff_t>(place);
  std::vector<Index> rows(static_cast<std::size_t>(*of_device));
  std::iota(rows.begin(), rows.end(), std::accumulate(lengths.begin(), of_device, Index{0}));
  return rows;
}

}  // namespace

// ---- Heads out, rows in ----------------------------------------------------------------

template <class T>
Block<T> HeadExchange<T>::piece_of_heads(Side side, const Block<T>& rows, std::size_t receiver) const {
  Block<T> piece{rows.owner, rows.positions, {}};
  for (const auto& tensor : rows.tensors)
    piece.tensors.push_back(
        shared(copy_heads(std::as_const(*tensor).view(), group_.first_head(side, receiver),
                          group_.head_count(side, receiver))));
  return piece;
}

template <class T>
Block<T> HeadExchange<T>::take_rows(Side side, std::string_view name, const Block<T>& rows) {
  const std::vector<Block<T>> pieces = take_pieces(side, name, piece_of_heads(side, rows, group_.place));

  // Write the rows of each device behind those of the one before
  std::vector<const RowPositions*> positions;
  for (const Block<T>& piece : pieces) positions.push_back(piece.positions.get());
  Block<T> whole{rows.owner, std::make_shared<RowPositions>(concatenated(positions)), {}};
  for (std::size_t i = 0; i < rows.tensors.size(); ++i) {
    Shape shape = pieces[group_.place][i].shape();
    shape.S = whole.positions->length();
    Tensor<T> tensor(shape, Axes::bhsd);
    for (std::size_t sender = 0; sender < pieces.size(); ++sender)
      scatter_rows(pieces[sender][i], rows_of(group_.lengths(side), sender), tensor);
    whole.tensors.push_back(shared(std::move(tensor)));
  }
  return whole;
}

// ---- Rows out, heads in ----------------------------------------------------------------

template <class T>
Block<T> HeadExchange<T>::piece_of_rows(Side side, const Block<T>& heads, std::size_t receiver) const {
  Block<T> piece{heads.owner, nullptr, {}};
  for (const auto& tensor : heads.tensors)
    piece.tensors.push_back(shared(
        select_rows(std::as_const(*tensor).view(), rows_of(group_.lengths(side), receiver), Axes::bhsd)));
  return piece;
}

template <class T>
Block<T> HeadExchange<T>::take_heads(Side side, std::string_view name, const Block<T>& heads) {
  const std::vector<Block<T>> pieces = take_pieces(side, name, piece_of_rows(side, heads, group_.place));

  // Add the heads of each device
  Block<T> whole{heads.owner, nullptr, {}};
  for (std::size_t i = 0; i < heads.tensors.size(); ++i) {
    Shape shape = pieces[group_.place][i].shape();
    shape.H = group_.all_heads(side);
    Tensor<T> sum(shape, Axes::bhsd);
    for (std::size_t sender = 0; sender < pieces.size(); ++sender) {
      const Tensor<T>& part = pieces[sender][i];
      for (Index b = 0; b < shape.B; ++b)
        for (Index h = 0; h < part.shape().H; ++h)
          sum.head(b, group_.first_head(side, sender) + h) += part.head(b, h);
    }
    whole.tensors.push_back(shared(std::move(sum)));
  }
  return whole;
}

template class HeadExchange<float>;
template class HeadExchange<double>;

}  // namespace ringattn
