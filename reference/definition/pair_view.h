#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Rows in another order, or some of them; nothing: all rows as they are. Copies share the list.
class SelectedRows {
 public:
  Index operator()(Index n) const { return rows_ ? (*rows_)[static_cast<std::size_t>(n)] : n; }

  // These rows of the selected ones
  SelectedRows select(const std::vector<Index>& rows) const {
    auto selected = std::make_shared<std::vector<Index>>(rows);
    for (Index& row : *selected) row = (*this)(row);
    SelectedRows result;
    result.rows_ = std::move(selected);
    return result;
  }

 private:
  std::shared_ptr<const std::vector<Index>> rows_;
};

// A view of one value for each pair of query and key, (B, H, Sq, Skv). A stride of 0 broadcasts along its axis.
template <class T>
struct PairView {
  const T* data = nullptr;
  Index stride_B = 0, stride_H = 0, stride_q = 0, stride_kv = 1;
  SelectedRows queries = {}, keys = {};

  explicit operator bool() const { return data != nullptr; }
  const T& operator()(Index b, Index h, Index i, Index j) const {
    return data[b * stride_B + h * stride_H + queries(i) * stride_q + keys(j) * stride_kv];
  }

  // The values of head h of sequence b, (1, 1, Sq, Skv)
  PairView head(Index b, Index h) const {
    PairView one = *this;
    if (one.data) one.data += b * stride_B + h * stride_H;
    return one;
  }
  PairView select_queries(const std::vector<Index>& rows) const {
    PairView selected = *this;
    selected.queries = queries.select(rows);
    return selected;
  }
  PairView select_keys(const std::vector<Index>& rows) const {
    PairView selected = *this;
    selected.keys = keys.select(rows);
    return selected;
  }
};

// The strides of an array that is repeated to the extents (B, H, Sq, Skv), as numpy does: axes are aligned at the
// right, and missing axes and those of extent 1 are repeated. Throws BadInput, in the name of _name_, if it does not
// fit.
std::array<Index, 4> broadcast_strides(const std::string& name, const std::vector<Index>& extents,
                                       const std::vector<Index>& strides, const std::array<Index, 4>& wanted);

}  // namespace ringattn
