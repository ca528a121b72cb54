#include "reference/ring/row_watch.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

bool WatchedRows::contains(Index row) const {
  return all || std::find(rows.begin(), rows.end(), row) != rows.end();
}

template <class T>
RowWatch<T>::RowWatch(const WatchedRows& watched, const std::vector<Index>& global_rows) {
  for (std::size_t local = 0; local < global_rows.size(); ++local)
    if (watched.contains(global_rows[local]))
      rows_.push_back({static_cast<Index>(local), global_rows[local]});
}

namespace {

template <class T>
std::vector<double> row_of(const Tensor<T>& O, Index b, Index row, Index h) {
  std::vector<double> numbers;
  for (Index d = 0; d < O.shape().D; ++d) numbers.push_back(static_cast<double>(O(b, row, h, d)));
  return numbers;
}

}  // namespace

template <class T>
void RowWatch<T>::before(const SoftmaxState<T>& state) {
  pictures_.clear();
  for (const Row& row : rows_)
    for (Index b = 0; b < state.O.shape().B; ++b)
      for (Index h = 0; h < state.O.shape().H; ++h) {
        RowFacts picture;
        picture.batch = b, picture.head = h, picture.row = row.global;
        picture.m_before = static_cast<double>(state.m(b, row.local, h, 0));
        picture.l_before = static_cast<double>(state.l(b, row.local, h, 0));
        picture.O_before = row_of(state.O, b, row.local, h);
        pictures_.push_back(std::move(picture));
      }
}

template <class T>
void RowWatch<T>::after(const SoftmaxState<T>& state, int step, int owner, Recorder& facts) {
  auto picture = pictures_.begin();
  for (const Row& row : rows_)
    for (Index b = 0; b < state.O.shape().B; ++b)
      for (Index h = 0; h < state.O.shape().H; ++h, ++picture) {
        picture->m_after = static_cast<double>(state.m(b, row.local, h, 0));
        picture->l_after = static_cast<double>(state.l(b, row.local, h, 0));
        picture->O_after = row_of(state.O, b, row.local, h);
        picture->alpha =
            picture->m_before == picture->m_after ? 1 : std::exp(picture->m_before - picture->m_after);
        facts.row(step, owner, std::make_shared<RowFacts>(std::move(*picture)));
      }
}

template class RowWatch<float>;
template class RowWatch<double>;

}  // namespace ringattn
